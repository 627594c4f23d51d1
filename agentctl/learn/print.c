// SPDX-License-Identifier: GPL-2.0-or-later
/* Libyaml quotes every value as it must be, but writes no comments. Where they belong is known from
 * the tree that its text is read into again: no text is looked for. */
#include "agentctl/learn/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/learn/document.h"
#include "agentctl/learn/files.h"
#include "policy/base/cleanup.h"

#define DEPTH_MAX 32 /* a policy is not as deep */

void text_put(struct text *t, const char *bytes, size_t n)
{
	if (t->n + n + 1 > t->room) {
		size_t room = (t->n + n + 1) * 2;
		char *more = realloc(t->p, room);

		if (!more) {
			t->failed = true;
			return;
		}
		t->p = more;
		t->room = room;
	}
	memcpy(t->p + t->n, bytes, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void text_say(struct text *t, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (n < 0) {
		line = NULL;
		t->failed = true;
		return;
	}
	text_put(t, line, (size_t)n);
}

/* ---- from the tree to text ---------------------------------------------------------------------
 */

static int on_bytes(void *arg, unsigned char *bytes, size_t n)
{
	struct text *t = arg;

	text_put(t, (const char *)bytes, n);
	return !t->failed;
}

static bool emit(yaml_emitter_t *em, yaml_event_t *ev, int made)
{
	return made && yaml_emitter_emit(em, ev); /* takes the event over in any case */
}

/* What YAML takes for the end of a line. */
static bool has_break(const yaml_node_t *n)
{
	static const char *const breaks[] = {"\n", "\r", "\xc2\x85", "\xe2\x80\xa8",
					     "\xe2\x80\xa9"};

	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++)
		if (memmem(n->data.scalar.value, n->data.scalar.length, breaks[i],
			   strlen(breaks[i])))
			return true;
	return false;
}

static bool emit_node(yaml_emitter_t *em, yaml_document_t *doc, int id, unsigned depth)
{
	const yaml_node_t *n = yaml_document_get_node(doc, id);
	yaml_event_t ev;
	bool good;

	if (!n || depth > DEPTH_MAX)
		return false;
	if (n->type == YAML_SCALAR_NODE)
		return emit(
		    em, &ev,
		    yaml_scalar_event_initialize(
			&ev, NULL, NULL, n->data.scalar.value, (int)n->data.scalar.length, 1, 1,
			/* escaped: no value has a second line */
			has_break(n) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : n->data.scalar.style));
	if (n->type == YAML_SEQUENCE_NODE) {
		good = emit(em, &ev,
			    yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1,
								 n->data.sequence.style));
		for (yaml_node_item_t *i = n->data.sequence.items.start;
		     good && i < n->data.sequence.items.top; i++)
			good = emit_node(em, doc, *i, depth + 1);
		return good && emit(em, &ev, yaml_sequence_end_event_initialize(&ev));
	}
	good = emit(em, &ev,
		    yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, n->data.mapping.style));
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
	     good && p < n->data.mapping.pairs.top; p++)
		good = emit_node(em, doc, p->key, depth + 1) &&
		       emit_node(em, doc, p->value, depth + 1);
	return good && emit(em, &ev, yaml_mapping_end_event_initialize(&ev));
}

static bool write_text(yaml_document_t *doc, struct text *ret)
{
	yaml_emitter_t em;
	yaml_event_t ev;
	bool good;

	if (!yaml_emitter_initialize(&em))
		return false;
	yaml_emitter_set_output(&em, on_bytes, ret);
	yaml_emitter_set_unicode(&em, 1);
	yaml_emitter_set_width(&em, -1);
	good = emit(&em, &ev, yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING)) &&
	       emit(&em, &ev, yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1)) &&
	       emit_node(&em, doc, 1, 0) &&
	       emit(&em, &ev, yaml_document_end_event_initialize(&ev, 1)) &&
	       emit(&em, &ev, yaml_stream_end_event_initialize(&ev)) && yaml_emitter_flush(&em);
	yaml_emitter_delete(&em);
	return good && !ret->failed;
}

/* ---- and back ----------------------------------------------------------------------------------
 */

struct back {
	yaml_document_t *doc, *read;
	unsigned *line; /* of each node of doc, from 0, where it has a line of its own */
};

static bool same(struct back *b, int id, int read, unsigned depth);

static bool same_items(struct back *b, const yaml_node_t *x, const yaml_node_t *y, unsigned depth)
{
	const yaml_node_item_t *i = x->data.sequence.items.start;
	const yaml_node_item_t *k = y->data.sequence.items.start;

	for (; i < x->data.sequence.items.top && k < y->data.sequence.items.top; i++, k++)
		if (!same(b, *i, *k, depth))
			return false;
	return i == x->data.sequence.items.top && k == y->data.sequence.items.top;
}

static bool same_pairs(struct back *b, const yaml_node_t *x, const yaml_node_t *y, unsigned depth)
{
	const yaml_node_pair_t *i = x->data.mapping.pairs.start;
	const yaml_node_pair_t *k = y->data.mapping.pairs.start;

	for (; i < x->data.mapping.pairs.top && k < y->data.mapping.pairs.top; i++, k++)
		if (!same(b, i->key, k->key, depth) || !same(b, i->value, k->value, depth))
			return false;
	return i == x->data.mapping.pairs.top && k == y->data.mapping.pairs.top;
}

static bool same(struct back *b, int id, int read, unsigned depth)
{
	const yaml_node_t *x = yaml_document_get_node(b->doc, id);
	const yaml_node_t *y = yaml_document_get_node(b->read, read);

	if (!x || !y || x->type != y->type || depth > DEPTH_MAX)
		return false;
	if (y->start_mark.line == y->end_mark.line)
		b->line[id] = (unsigned)y->start_mark.line + 1;
	if (x->type == YAML_SEQUENCE_NODE)
		return same_items(b, x, y, depth + 1);
	if (x->type == YAML_MAPPING_NODE)
		return same_pairs(b, x, y, depth + 1);
	return x->data.scalar.length == y->data.scalar.length &&
	       memcmp(x->data.scalar.value, y->data.scalar.value, x->data.scalar.length) == 0;
}

/* ---- comments ----------------------------------------------------------------------------------
 */

static void comment(struct text *t, const struct learned *x)
{
	const char *s = x->count == 1 ? "" : "s";

	text_say(t, "  # ");
	if (x->path && x->files > 1)
		text_say(t, "%zu %s, ", x->files,
			 x->path->right == RIGHT_EXEC ? "libraries" : "files");
	text_say(t, "%llu time%s", (unsigned long long)x->count, s);
}

/* Where there are several for a line, the first has the sum. */
static void with_comments(const char *text, const struct learned *const *at, struct text *ret)
{
	for (size_t i = 1; *text; i++) {
		size_t n = strcspn(text, "\n");

		text_put(ret, text, n);
		if (at[i])
			comment(ret, at[i]);
		text_put(ret, "\n", 1);
		text += n + (text[n] == '\n');
	}
}

static size_t lines(const char *text)
{
	size_t n = 1;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

static int add_comments(const struct text *plain, const unsigned *line,
			const struct learned_all *all, struct text *ret)
{
	size_t n = lines(plain->p), above = ret->n ? lines(ret->p) - 1 : 0;
	_cleanup_free_ const struct learned **at = calloc(n + 1, sizeof(*at));

	if (!at)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++) {
		struct learned *x = &all->list[i];
		unsigned here = x->node ? line[x->node] : 0;

		x->line = 0;
		if (!here || here > n)
			continue;
		if (!at[here])
			at[here] = x;
		x->line = here + (unsigned)above;
	}
	with_comments(plain->p, at, ret);
	return ret->failed ? -ENOMEM : 0;
}

int print_document(yaml_document_t *doc, const struct learned_all *all, struct text *ret)
{
	size_t nodes = (size_t)(doc->nodes.top - doc->nodes.start);
	_cleanup_free_ unsigned *line = calloc(nodes + 1, sizeof(*line));
	struct text plain = {0};
	yaml_document_t read;
	struct back b = {doc, &read, line};
	int r;

	if (!line || !write_text(doc, &plain)) {
		free(plain.p);
		return -ENOMEM;
	}
	if (!doc_load(plain.p, plain.n, &read)) {
		free(plain.p);
		return -EINVAL;
	}
	r = same(&b, 1, 1, 0) ? add_comments(&plain, line, all, ret) : -EINVAL;
	yaml_document_delete(&read);
	free(plain.p);
	return r;
}
