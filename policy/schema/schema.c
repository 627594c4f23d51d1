// SPDX-License-Identifier: GPL-2.0-or-later
/* The grammar of a policy file: its top-level keys, and how their values are compiled. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/profile.h"
#include "policy/schema/schema.h"

void schema_keep(struct load *l, int r)
{
	if (r < 0 && !l->failed)
		l->failed = r;
}

void schema_not_yet(struct yaml *y, const char *what, const char *hint)
{
	yaml_error(y, 0, hint, "this build does not enforce %s yet, and refuses to ignore it",
		   what);
}

bool schema_printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

bool schema_choice(struct yaml *y, const char *const *words, size_t n, size_t *ret)
{
	const char *text = yaml_text(y, NULL);

	for (size_t i = 0; text && i < n; i++)
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

void schema_bool(struct yaml *y, const char *what, bool *ret)
{
	static const char *const words[] = {"false", "true"};
	size_t i;

	if (!schema_choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'%s' is true or false", what);
	else
		*ret = i == 1;
	yaml_skip(y);
}

#define REFUSED(fn, what, hint)                                                                    \
	static void fn(struct yaml *y, void *arg)                                                  \
	{                                                                                          \
		schema_not_yet(y, what, hint);                                                     \
		yaml_skip(y);                                                                      \
	}
REFUSED(no_size, "'size'", "leave it out: the capture grows as it needs")
REFUSED(no_files, "'files'", "leave it out: the capture grows as it needs")

static void on_version(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || strcmp(text, "1") != 0)
		yaml_error(y, 0, "write `version: 1`", "this build knows version 1 of the policy");
	l->version = true;
	yaml_skip(y);
}

static void on_mode(struct yaml *y, void *arg)
{
	static const char *const words[] = {"enforce", "audit"};
	struct load *l = arg;
	size_t i;

	if (!schema_choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'mode' is enforce or audit");
	else
		compile_mode(l->c, i ? MODE_AUDIT : MODE_ENFORCE);
	yaml_skip(y);
}

static void on_audit_dir(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL), *slash = strrchr(l->file, '/');

	if (!text || !*text || strlen(text) > PROFILE_PATH_MAX || !schema_printable(text))
		yaml_error(y, 0, NULL, "'dir' is the path of a directory");
	else if (text[0] == '~')
		yaml_error(y, 0, "write the whole path", "'~' is not expanded in 'dir'");
	else if (!l->audit_dir &&
		 (text[0] == '/' || !slash ? (l->audit_dir = strdup(text)) == NULL
					   : asprintf(&l->audit_dir, "%.*s/%s",
						      (int)(slash - l->file), l->file, text) < 0))
		schema_keep(l, -ENOMEM);
	yaml_skip(y);
}

static void on_snaplen(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);
	char *end = NULL;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	if (!text || text[0] < '0' || text[0] > '9' || *end || n < SNAPLEN_MIN || n > SNAPLEN_MAX)
		yaml_error(y, 0, NULL, "'snaplen' is a number of bytes from %d to %d", SNAPLEN_MIN,
			   SNAPLEN_MAX);
	else
		compile_snaplen(l->c, (uint32_t)n);
	yaml_skip(y);
}

static void on_capture(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {
	    {"snaplen", on_snaplen}, {"size", no_size}, {"files", no_files}};

	yaml_mapping(y, "'capture'", keys, 3, arg);
}

static void on_audit(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"dir", on_audit_dir}, {"capture", on_capture}};

	yaml_mapping(y, "'audit'", keys, 2, arg);
}

static const struct yaml_key top[] = {
    {"version", on_version},     {"mode", on_mode},       {"workspace", schema_workspace},
    {"egress", schema_egress},   {"deny", schema_deny},   {"dns", schema_dns},
    {"agent", schema_agent},     {"tools", schema_tools}, {"audit", on_audit},
    {"ingress", schema_ingress},
};

bool schema_tool_known(const struct load *l, const char *name)
{
	return compile_find_profile(l->c, name);
}

void schema_keep_net(struct load *l, uint32_t profile, struct compile *c)
{
	struct net *more = reallocarray(l->nets, l->n_nets + 1, sizeof(*more));

	if (!more) {
		compile_free(c);
		schema_keep(l, -ENOMEM);
		return;
	}
	l->nets = more;
	l->nets[l->n_nets++] = (struct net){profile, c};
}

static void document(struct yaml *y, struct load *l)
{
	bool mapping;

	yaml_next(y); /* stream */
	yaml_next(y); /* document, or the end of an empty file */
	if (yaml_is(y, YAML_STREAM_END_EVENT)) {
		yaml_error(y, 0, "begin with `version: 1`", "the policy is empty");
		return;
	}
	yaml_next(y);
	mapping = yaml_is(y, YAML_MAPPING_START_EVENT);
	yaml_mapping(y, "the policy", top, sizeof(top) / sizeof(top[0]), l);
	if (!l->version && mapping && !y->broken)
		diags_add(y->diags, false, 1, 1, "write `version: 1` in the first line",
			  "the policy does not say its version");
	yaml_next(y);
	if (!y->broken && !yaml_is(y, YAML_STREAM_END_EVENT))
		yaml_error(y, 0, "one file is one policy", "a second YAML document begins here");
}

static int by_place(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;

	return x->line != y->line ? (x->line < y->line ? -1 : 1)
				  : (x->col > y->col) - (x->col < y->col);
}

/* The policy's file and its log directory: the agent's blob and each tool's name them. */
static int places(struct load *l, struct compile *c)
{
	int r = compile_file(c, l->file);

	return r < 0 ? r : compile_audit_dir(c, l->audit_dir ? l->audit_dir : POLICY_AUDIT_DIR);
}

static int workspace(struct load *l)
{
	const char *slash = strrchr(l->file, '/');
	char dir[4096];

	if (l->workspace)
		return compile_workspace(l->c, l->workspace);
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - l->file) : 1,
		 slash ? l->file : ".");
	return compile_workspace(l->c, dir[0] ? dir : "/");
}

/* More pairs than the kernel's set takes are an error of the file, with its line. */
static int check_ingress(const void *blob, size_t bytes, struct diags *d)
{
	struct policy *p;
	int r = policy_open(blob, bytes, &p, NULL);

	if (r < 0)
		return r;
	for (unsigned family = 4; r == 0 && family <= 6; family += 2) {
		_cleanup_free_ struct ingress_pair *list = NULL;
		size_t n;

		r = policy_ingress_pairs(p, family, &list, &n);
	}
	if (r == -E2BIG) {
		struct ingress_rule g;
		struct rule rule;

		policy_ingress_rule(p, 0, &g);
		policy_rule(p, g.rule, &rule);
		diags_add(d, false, rule.line, rule.col, "use wider prefixes, or fewer entries",
			  "'ingress' comes to more than %d pairs of peers and listeners",
			  INGRESS_PAIRS_MAX);
		r = -EINVAL;
	}
	policy_free(p);
	return r;
}

static int finish_nets(struct load *l, struct diags *d)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n_nets; i++) {
		_cleanup_free_ void *blob = NULL;
		size_t bytes;

		r = compile_inherit(l->nets[i].c, l->c, l->nets[i].profile);
		if (r == 0 && (r = places(l, l->nets[i].c)) == 0 &&
		    (r = compile_finish(l->nets[i].c, &blob, &bytes)) == 0 &&
		    (r = check_ingress(blob, bytes, d)) == 0)
			r = compile_net(l->c, l->nets[i].profile, blob, bytes);
	}
	return r;
}

static int finish(struct load *l, struct diags *d, void **ret_blob, size_t *ret_bytes)
{
	struct policy *p = NULL;
	void *blob;
	int r;

	if ((r = finish_nets(l, d)) < 0 || (r = places(l, l->c)) < 0 || (r = workspace(l)) < 0 ||
	    (r = compile_finish(l->c, &blob, ret_bytes)) < 0)
		return r;
	r = check_ingress(blob, *ret_bytes, d);
	if (r == 0)
		r = policy_open(blob, *ret_bytes, &p, NULL);
	if (r == 0)
		r = lint(p, &l->pins, d);
	policy_free(p);
	if (r < 0)
		free(blob);
	else
		*ret_blob = blob;
	return r;
}

int policy_compile(const char *file_name, const char *text, size_t len, struct diags *d,
		   void **ret_blob, size_t *ret_bytes)
{
	struct load l = {.file = file_name};
	struct yaml y;
	int r;

	*d = (struct diags){0};
	if (len > BLOB_MAX)
		return -E2BIG;
	r = compile_new(&l.c);
	if (r == 0 && (r = yaml_open(&y, text, len, d)) == 0) {
		document(&y, &l);
		yaml_close(&y);
		pins_check(&l.pins, d);
		r = d->n_errors ? -EINVAL : l.failed;
	}
	if (r == 0)
		r = finish(&l, d, ret_blob, ret_bytes);
	if (d->n)
		qsort(d->list, d->n, sizeof(*d->list), by_place);
	free(l.pins.list);
	free(l.audit_dir);
	free(l.workspace);
	for (size_t i = 0; i < l.n_nets; i++)
		compile_free(l.nets[i].c);
	free(l.nets);
	compile_free(l.c);
	return r;
}
