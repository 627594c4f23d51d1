// SPDX-License-Identifier: GPL-2.0-or-later
/* A tool's command line from its template and the caller's values: no value becomes an option. */
#include "policy/command.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/profile.h"

#define VALUE_SHOWN 80

enum holder {
	HOLD_NONE = 0,
	HOLD_WORD,
	HOLD_TEXT,
	HOLD_LINES,
	HOLD_INT,
	HOLD_URL,
	HOLD_PATH,
	HOLD_ARGS
};

/* A word taken apart. before and after have their doubled braces made single. */
struct word {
	char *before, *after;
	enum holder holder;
	char name[40]; /* as written between the braces */
	long long min, max;
};

static void word_done(struct word *w)
{
	free(w->before);
	free(w->after);
}

/* ---- the template -------------------------------------------------------- */

static bool int_range(const char *s, struct word *w)
{
	char *end;

	errno = 0;
	w->min = strtoll(s, &end, 10);
	if (end == s || *end != '-' || errno)
		return false;
	s = end + 1;
	w->max = strtoll(s, &end, 10);
	return end != s && !*end && !errno && w->min <= w->max;
}

static int holder(struct word *w, struct err *e)
{
	static const struct {
		const char *name;
		enum holder holder;
	} all[] = {{"word", HOLD_WORD}, {"text", HOLD_TEXT}, {"text:lines", HOLD_LINES},
		   {"url", HOLD_URL},   {"args", HOLD_ARGS}, {"path:workspace", HOLD_PATH}};
	char shown[200];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(w->name, all[i].name) == 0) {
			w->holder = all[i].holder;
			return 0;
		}
	if (strncmp(w->name, "int:", 4) == 0) {
		w->holder = HOLD_INT;
		if (int_range(w->name + 4, w))
			return 0;
		err_set(e, EINVAL, "{%s} has no range of numbers",
			str_escape(shown, sizeof(shown), w->name, strlen(w->name)));
		return err_hint(e, "write {int:1-100}");
	}
	err_set(e, EINVAL, "there is no placeholder {%s}",
		str_escape(shown, sizeof(shown), w->name, strlen(w->name)));
	return err_hint(e, "there are {word}, {text}, {text:lines}, {int:1-100}, {url}, "
			   "{path:workspace}, {args}; a brace itself is written twice: {{");
}

/* Copies up to a placeholder or the end; doubled braces become one. Returns where it stopped; NULL:
 * a brace that stands alone. */
static const char *plain(const char *s, char *to)
{
	while (*s && !(s[0] == '{' && s[1] != '{')) {
		if ((s[0] == '{' || s[0] == '}') && s[1] != s[0])
			return NULL;
		s += s[0] == '{' || s[0] == '}';
		*to++ = *s++;
	}
	*to = '\0';
	return s;
}

static int take_apart(const char *text, struct word *w, struct err *e)
{
	size_t n = strlen(text) + 1, len;
	const char *end;

	*w = (struct word){.before = calloc(1, n), .after = calloc(1, n)};
	if (!w->before || !w->after)
		return err_set(e, ENOMEM, "out of memory");
	text = plain(text, w->before);
	if (!text || !*text)
		goto out;
	end = strchr(text, '}');
	len = end ? (size_t)(end - text) - 1 : 0;
	if (!end || len >= sizeof(w->name)) {
		text = NULL;
		goto out;
	}
	memcpy(w->name, text + 1, len);
	if (holder(w, e) < 0)
		return -EINVAL;
	text = plain(end + 1, w->after);
	if (text && *text) {
		err_set(e, EINVAL, "a word holds one placeholder");
		return err_hint(e, "give each value a word of its own");
	}
	if (w->holder == HOLD_ARGS && (w->before[0] || w->after[0]))
		return err_set(e, EINVAL, "{args} is a word by itself");
out:
	if (!text) {
		err_set(e, EINVAL, "a brace that is none of a placeholder");
		return err_hint(e, "write it twice: {{ or }}");
	}
	return 0;
}

int command_word_check(const char *word, struct err *e)
{
	struct word w;
	int r = take_apart(word, &w, e);

	word_done(&w);
	return r;
}

/* ---- the values ---------------------------------------------------------- */

static bool only(const char *s, const char *extra)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(extra, *s))
			return false;
	return true;
}

/* Control characters, and in UTF-8 those of 0x80 to 0x9f, which terminals obey too. */
static bool no_controls(const char *s, const char *allowed)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x20 && !strchr(allowed, c)) || c == 0x7f ||
		    (c == 0xc2 && (unsigned char)s[1] < 0xa0))
			return false;
	}
	return true;
}

static bool is_url(const char *s)
{
	const char *host = strncmp(s, "https://", 8) == 0  ? s + 8
			   : strncmp(s, "http://", 7) == 0 ? s + 7
							   : NULL;
	size_t n = host ? strcspn(host, "/?#") : 0;

	if (!n || memchr(host, '@', n))
		return false;
	for (; *s; s++)
		if (*s <= 0x20 || *s >= 0x7f || strchr("\"<>\\^`{|}", *s))
			return false;
	return true;
}

static bool is_int(const char *s, const struct word *w)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(s, &end, 10);
	return (isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]))) &&
	       !*end && !errno && n >= w->min && n <= w->max;
}

/* NULL: it is one; else what it must be. */
static const char *wrong(const struct word *w, const char *value)
{
	switch (w->holder) {
	case HOLD_WORD:
		return *value && only(value, "._+@%=:,/-")
			   ? NULL
			   : "letters, digits and . _ + @ % = : , / -";
	case HOLD_TEXT:
		return no_controls(value, "") ? NULL
					      : "text without control characters and newlines";
	case HOLD_LINES:
		return no_controls(value, "\n\t") ? NULL : "text without control characters";
	case HOLD_INT:
		return is_int(value, w) ? NULL : "a number in that range";
	case HOLD_URL:
		return is_url(value) ? NULL : "an http:// or https:// URL without a password";
	case HOLD_PATH:
		return *value && no_controls(value, "") ? NULL : "a path";
	case HOLD_NONE:
	case HOLD_ARGS:
		break;
	}
	return NULL;
}

struct build {
	const struct policy *policy;
	size_t profile;
	const char *tool, *workspace;
	char *const *values;
	size_t n_values, used;
	command_path_fn *path;
	void *arg;
	bool dashes; /* a word "--" is behind us: options are over */
	char **argv;
	size_t argc;
	struct err *e;
};

static void usage(const struct build *b)
{
	char text[400];
	size_t n = (size_t)snprintf(text, sizeof(text), "usage: %s", b->tool);

	struct profile p;

	policy_profile(b->policy, b->profile, &p);
	for (size_t i = 1; i < p.n_command && n < sizeof(text); i++) {
		struct word w;
		struct err ignore;

		if (take_apart(profile_command(b->policy, b->profile, i), &w, &ignore) == 0 &&
		    w.holder)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " {%s}", w.name);
		word_done(&w);
	}
	err_hint(b->e, "%s", text);
}

static int bad_value(struct build *b, const struct word *w, const char *value, const char *must)
{
	char shown[VALUE_SHOWN * 4 + 1];

	str_escape(shown, sizeof(shown), value, strnlen(value, VALUE_SHOWN));
	err_set(b->e, EINVAL, "%s: argument %zu, '%s': {%s} must be %s", b->tool, b->used, shown,
		w->name, must);
	usage(b);
	return -EINVAL;
}

static int put(struct build *b, const char *before, const char *value, const char *after)
{
	if (asprintf(&b->argv[b->argc], "%s%s%s", before, value, after) < 0) {
		b->argv[b->argc] = NULL;
		return err_set(b->e, ENOMEM, "out of memory");
	}
	b->argc++;
	return 0;
}

static int put_value(struct build *b, const struct word *w)
{
	char path[PATH_MAX];
	const char *value, *must;
	int r;

	if (b->used == b->n_values) {
		err_set(b->e, EINVAL, "%s: {%s} is missing", b->tool, w->name);
		usage(b);
		return -EINVAL;
	}
	value = b->values[b->used++];
	if ((must = wrong(w, value)))
		return bad_value(b, w, value, must);
	if (w->holder == HOLD_PATH) {
		if ((r = b->path(b->arg, value, b->workspace, path, sizeof(path), b->e)) < 0) {
			err_prefix(b->e, "%s: argument %zu", b->tool, b->used);
			usage(b);
			return r;
		}
		value = path;
	}
	if (value[0] == '-' && !w->before[0] && !b->dashes && w->holder != HOLD_INT)
		return bad_value(b, w, value, "no option: it may not begin with '-'");
	return put(b, w->before, value, w->after);
}

static int put_word(struct build *b, const char *text)
{
	struct word w;
	int r = take_apart(text, &w, b->e);

	if (r == 0 && w.holder == HOLD_ARGS)
		while (r == 0 && b->used < b->n_values)
			r = put(b, "", b->values[b->used++], "");
	else if (r == 0)
		r = w.holder ? put_value(b, &w) : put(b, w.before, "", "");
	b->dashes |= strcmp(text, "--") == 0;
	word_done(&w);
	return r;
}

int command_build(const struct policy *p, size_t profile, char *const *values, size_t n_values,
		  command_path_fn *path, void *arg, char ***ret_argv, struct err *e)
{
	struct profile f;
	struct build b = {.policy = p,
			  .profile = profile,
			  .values = values,
			  .n_values = n_values,
			  .path = path,
			  .arg = arg,
			  .e = e};
	int r = 0;

	policy_profile(p, profile, &f);
	b.tool = f.name ? f.name : "agent";
	b.workspace = f.workspace;
	b.argv = calloc(f.n_command + n_values + 1, sizeof(*b.argv));
	if (!b.argv)
		return err_set(e, ENOMEM, "out of memory");
	/* the first word is the program's path, no template */
	for (size_t i = 0; r == 0 && i < f.n_command; i++)
		r = i ? put_word(&b, profile_command(p, profile, i))
		      : put(&b, profile_command(p, profile, i), "", "");
	if (r == 0 && b.used < n_values) {
		r = err_set(e, EINVAL, "%s: %zu argument%s too many", b.tool, n_values - b.used,
			    n_values - b.used == 1 ? "" : "s");
		usage(&b);
	}
	if (r < 0)
		command_free(b.argv);
	else
		*ret_argv = b.argv;
	return r;
}

void command_free(char **argv)
{
	for (char **a = argv; a && *a; a++)
		free(*a);
	free(argv);
}
