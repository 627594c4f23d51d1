// SPDX-License-Identifier: GPL-2.0-or-later
/* The policy that held, with what was learned added to its lists. Libyaml writes it, so that a name
 * that a program chose cannot become YAML; comments are put behind the lines afterwards. */
#include "agentctl/learn/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "agentctl/learn/files.h"
#include "agentctl/learn/log.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

#define MARK     "_agentfw_comment_" /* and a number: where a comment belongs */
#define MARK_END "_"

struct text {
	char *p;
	size_t n, room;
	bool failed;
};

struct writing {
	yaml_document_t doc;
	char **comment;
	size_t n_comments, room;
	struct text not_proposed;
	bool failed;
};

/* ---- text ------------------------------------------------------------------------------------ */

static int text_put(void *arg, unsigned char *bytes, size_t n)
{
	struct text *t = arg;

	if (t->n + n + 1 > t->room) {
		size_t room = (t->n + n + 1) * 2;
		char *more = realloc(t->p, room);

		if (!more) {
			t->failed = true;
			return 0;
		}
		t->p = more;
		t->room = room;
	}
	memcpy(t->p + t->n, bytes, n);
	t->n += n;
	t->p[t->n] = '\0';
	return 1;
}

static void text_say(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void text_say(struct text *t, const char *fmt, ...)
{
	char line[4096 + 200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_put(t, (unsigned char *)line, strlen(line));
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static yaml_node_t *node(struct writing *w, int id)
{
	return yaml_document_get_node(&w->doc, id);
}

static int ok(struct writing *w, int id)
{
	w->failed |= id == 0;
	return id;
}

static int scalar(struct writing *w, const char *text)
{
	return ok(w, yaml_document_add_scalar(&w->doc, NULL, (const yaml_char_t *)text,
					      (int)strlen(text), YAML_ANY_SCALAR_STYLE));
}

static bool is_scalar(const yaml_node_t *n, const char *text)
{
	return n && n->type == YAML_SCALAR_NODE && n->data.scalar.length == strlen(text) &&
	       memcmp(n->data.scalar.value, text, strlen(text)) == 0;
}

/* The pair of a key in a mapping, or NULL. */
static yaml_node_pair_t *pair(struct writing *w, int mapping, const char *key)
{
	yaml_node_t *m = node(w, mapping);

	if (!m || m->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = m->data.mapping.pairs.start; p < m->data.mapping.pairs.top; p++)
		if (is_scalar(node(w, p->key), key))
			return p;
	return NULL;
}

/* The value of a key; where it is missing, an empty one of that type is made. */
static int value(struct writing *w, int mapping, const char *key, yaml_node_type_t type)
{
	yaml_node_pair_t *p = pair(w, mapping, key);
	yaml_node_t *n = p ? node(w, p->value) : NULL;
	int id;

	if (n && n->type == type) {
		if (type == YAML_SEQUENCE_NODE)
			n->data.sequence.style = YAML_BLOCK_SEQUENCE_STYLE;
		else
			n->data.mapping.style = YAML_BLOCK_MAPPING_STYLE;
		return p->value;
	}
	id = type == YAML_SEQUENCE_NODE
		 ? yaml_document_add_sequence(&w->doc, NULL, YAML_BLOCK_SEQUENCE_STYLE)
		 : yaml_document_add_mapping(&w->doc, NULL, YAML_BLOCK_MAPPING_STYLE);
	ok(w, id);
	if (p) /* the key's value was empty or of another type */
		p->value = id;
	else if (!yaml_document_append_mapping_pair(&w->doc, mapping, scalar(w, key), id))
		w->failed = true;
	return id;
}

/* Takes over comment; returns text with the comment's mark behind it, to be freed. */
static char *marked(struct writing *w, const char *text, char *comment)
{
	char *ret = NULL;

	if (w->n_comments == w->room) {
		size_t room = w->room ? w->room * 2 : 64;
		char **more = comment ? reallocarray(w->comment, room, sizeof(*more)) : NULL;

		if (!more) {
			w->failed = true;
			free(comment);
			return NULL;
		}
		w->comment = more;
		w->room = room;
	}
	w->comment[w->n_comments] = comment;
	if (!comment || asprintf(&ret, "%s" MARK "%zu" MARK_END, text, w->n_comments) < 0) {
		w->failed = true;
		free(comment);
		return NULL;
	}
	w->n_comments++;
	return ret;
}

static char *times(uint64_t count, size_t files, const char *what)
{
	char *ret = NULL;

	if (files > 1)
		return asprintf(&ret, "%zu %s, %llu times", files, what,
				(unsigned long long)count) < 0
			   ? NULL
			   : ret;
	return asprintf(&ret, "%s%llu time%s", "", (unsigned long long)count,
			count == 1 ? "" : "s") < 0
		   ? NULL
		   : ret;
}

/* ---- endpoints ------------------------------------------------------------------------------- */

/* A node of another document, as a new one of ours. */
static int copy(struct writing *w, yaml_document_t *from, int id, const char *mark_on)
{
	yaml_node_t *n = yaml_document_get_node(from, id);
	int to;

	if (!n)
		return 0;
	if (n->type == YAML_SCALAR_NODE)
		return scalar(w, mark_on ? mark_on : (const char *)n->data.scalar.value);
	if (n->type == YAML_SEQUENCE_NODE) {
		to = ok(w, yaml_document_add_sequence(&w->doc, NULL, YAML_FLOW_SEQUENCE_STYLE));
		for (yaml_node_item_t *i = n->data.sequence.items.start;
		     i < n->data.sequence.items.top; i++)
			w->failed |= !yaml_document_append_sequence_item(&w->doc, to,
									 copy(w, from, *i, NULL));
		return to;
	}
	to = ok(w, yaml_document_add_mapping(&w->doc, NULL, YAML_FLOW_MAPPING_STYLE));
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		bool first = p == n->data.mapping.pairs.start;

		w->failed |= !yaml_document_append_mapping_pair(
		    &w->doc, to, copy(w, from, p->key, NULL),
		    copy(w, from, p->value, first ? mark_on : NULL));
	}
	return to;
}

/* The endpoint of an entry of an egress list: the entry itself, or its `to`. */
static const char *target(yaml_document_t *doc, int id)
{
	yaml_node_t *n = yaml_document_get_node(doc, id);

	if (n && n->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
		     p < n->data.mapping.pairs.top; p++)
			if (is_scalar(yaml_document_get_node(doc, p->key), "to"))
				return target(doc, p->value);
	return n && n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

/* A mapping has more keys than an entry for the same endpoint that is there: it replaces that. */
static void put_entry(struct writing *w, int list, yaml_document_t *from, char *comment)
{
	int root = (int)(yaml_document_get_root_node(from) ? 1 : 0);
	const char *to = target(from, root);
	yaml_node_t *l = node(w, list);
	yaml_node_item_t *there = NULL;
	_cleanup_free_ char *mark = NULL;
	int id;

	for (yaml_node_item_t *i = l->data.sequence.items.start;
	     to && i < l->data.sequence.items.top; i++)
		if (target(&w->doc, *i) && strcmp(target(&w->doc, *i), to) == 0)
			there = i;
	if (!to || (there && yaml_document_get_root_node(from)->type == YAML_SCALAR_NODE)) {
		free(comment);
		return;
	}
	mark = marked(w, to, comment);
	if (!mark)
		return;
	id = copy(w, from, root, mark);
	l = node(w, list); /* nodes may have moved */
	if (there)
		l->data.sequence.items.start[there - l->data.sequence.items.start] = id;
	else
		w->failed |= !yaml_document_append_sequence_item(&w->doc, list, id);
}

static bool load(const char *text, size_t n, yaml_document_t *ret)
{
	yaml_parser_t parser;
	bool good;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	good = yaml_parser_load(&parser, ret);
	yaml_parser_delete(&parser);
	return good;
}

/* Is there a connection to the name, too? Then its proposal covers the look-up. */
static bool only_a_step(const struct seen *s, const struct seen_endpoint *dns)
{
	for (size_t i = 0; dns->dns && dns->name[0] && i < s->n_endpoints; i++)
		if (!s->endpoint[i].dns && s->endpoint[i].suggest &&
		    strcmp(s->endpoint[i].name, dns->name) == 0)
			return true;
	return false;
}

static void endpoints(struct writing *w, int list, const struct seen *s)
{
	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct seen_endpoint *e = &s->endpoint[i];
		yaml_document_t item;

		if (only_a_step(s, e))
			continue;
		if (!e->suggest || !load(e->suggest, strlen(e->suggest), &item)) {
			text_say(&w->not_proposed, "#   egress %s: nothing that a rule allows\n",
				 e->text);
			continue;
		}
		put_entry(w, list, &item, times(e->count, 1, ""));
		yaml_document_delete(&item);
	}
}

/* ---- files ----------------------------------------------------------------------------------- */

static void put_path(struct writing *w, int list, const struct proposal *p)
{
	const char *what = p->right == RIGHT_EXEC ? "libraries" : "files";
	_cleanup_free_ char *mark = marked(w, p->path, times(p->count, p->files, what));
	int id = mark ? scalar(w, mark) : 0;

	if (mark && (p->broad || p->optional)) {
		int m = ok(w, yaml_document_add_mapping(&w->doc, NULL, YAML_FLOW_MAPPING_STYLE));

		w->failed |= !yaml_document_append_mapping_pair(&w->doc, m, scalar(w, "path"), id);
		if (p->broad)
			w->failed |= !yaml_document_append_mapping_pair(
			    &w->doc, m, scalar(w, "broad"), scalar(w, "true"));
		if (p->optional)
			w->failed |= !yaml_document_append_mapping_pair(
			    &w->doc, m, scalar(w, "optional"), scalar(w, "true"));
		id = m;
	}
	w->failed |= !mark || !yaml_document_append_sequence_item(&w->doc, list, id);
}

static void files(struct writing *w, int profile, const struct proposals *ps)
{
	for (size_t i = 0; i < ps->n; i++) {
		const struct proposal *p = &ps->list[i];
		char shown[4096];

		if (p->why_not) {
			str_escape(shown, sizeof(shown), p->path, strlen(p->path));
			text_say(&w->not_proposed, "#   %s %s: %s\n", profile_list(p->right), shown,
				 p->why_not);
			continue;
		}
		put_path(w, value(w, profile, profile_list(p->right), YAML_SEQUENCE_NODE), p);
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The proposal is in mode enforce, which is the default. */
static void enforce(struct writing *w, int root)
{
	yaml_node_pair_t *p = pair(w, root, "mode");

	if (p)
		p->value = scalar(w, "enforce");
}

static void fill(struct writing *w, int root, const struct seen_all *s,
		 const struct proposals *proposals)
{
	enforce(w, root);
	for (size_t i = 0; i < s->n; i++) {
		const struct seen *by = &s->by[i];
		int at = root;

		if (by->tool)
			at = value(w, value(w, root, "tools", YAML_MAPPING_NODE), by->tool,
				   YAML_MAPPING_NODE);
		if (by->n_endpoints)
			endpoints(w, value(w, at, "egress", YAML_SEQUENCE_NODE), by);
		if (proposals[i].n)
			files(w, by->tool ? at : value(w, root, "agent", YAML_MAPPING_NODE),
			      &proposals[i]);
	}
}

/* The emitter takes the document over. */
static bool dump(struct writing *w, struct text *ret)
{
	yaml_emitter_t emitter;
	bool good = yaml_emitter_initialize(&emitter);

	yaml_emitter_set_output(&emitter, text_put, ret);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	good = good && yaml_emitter_open(&emitter) && yaml_emitter_dump(&emitter, &w->doc) &&
	       yaml_emitter_close(&emitter) && !ret->failed;
	yaml_emitter_delete(&emitter);
	return good;
}

/* Line by line: the mark goes, its comment goes to the end of the line. */
static void add_comments(const struct writing *w, const char *text, struct text *ret)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		const char *mark = memmem(text, n, MARK, strlen(MARK));
		const char *comment = NULL;

		if (mark) {
			char *end;
			size_t k = strtoul(mark + strlen(MARK), &end, 10);

			comment = k < w->n_comments ? w->comment[k] : NULL;
			text_put(ret, (unsigned char *)text, (size_t)(mark - text));
			end += strlen(MARK_END);
			text_put(ret, (unsigned char *)end, n - (size_t)(end - text));
		} else {
			text_put(ret, (unsigned char *)text, n);
		}
		if (comment)
			text_say(ret, "  # %s", comment);
		text_put(ret, (unsigned char *)"\n", 1);
		text += n + (text[n] == '\n');
	}
}

static int finish(struct writing *w, const char *head, char **ret, struct err *e)
{
	struct text plain = {0}, out = {0};

	if (w->failed || !dump(w, &plain)) {
		free(plain.p);
		return err_set(e, ENOMEM, "the policy cannot be written: out of memory");
	}
	text_say(&out, "%s", head);
	if (w->not_proposed.n)
		text_say(&out, "# Seen, and not proposed:\n");
	text_put(&out, (unsigned char *)(w->not_proposed.p ? w->not_proposed.p : ""),
		 w->not_proposed.n);
	add_comments(w, plain.p, &out);
	free(plain.p);
	*ret = out.p;
	return out.failed ? err_set(e, ENOMEM, "out of memory") : 0;
}

int learn_policy(const char *base, size_t base_bytes, const struct seen_all *s,
		 const struct proposals *proposals, const char *head, char **ret, struct err *e)
{
	static const char least[] = "version: 1\n";
	struct writing w = {0};
	yaml_node_t *root;
	int r;

	if (!base_bytes) {
		base = least;
		base_bytes = sizeof(least) - 1;
	}
	if (!load(base, base_bytes, &w.doc))
		return err_set(e, EINVAL, "the policy cannot be read again");
	root = yaml_document_get_root_node(&w.doc);
	if (!root || root->type != YAML_MAPPING_NODE) {
		yaml_document_delete(&w.doc);
		return err_set(e, EINVAL, "the policy is no mapping");
	}
	root->data.mapping.style = YAML_BLOCK_MAPPING_STYLE;
	fill(&w, 1, s, proposals);
	r = finish(&w, head, ret, e);
	for (size_t i = 0; i < w.n_comments; i++)
		free(w.comment[i]);
	free(w.comment);
	free(w.not_proposed.p);
	return r;
}
