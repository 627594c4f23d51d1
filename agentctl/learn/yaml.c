// SPDX-License-Identifier: GPL-2.0-or-later
/* The policy that held, with what was learned added to its lists. */
#include "agentctl/learn/yaml.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/learn/document.h"
#include "agentctl/learn/files.h"
#include "agentctl/learn/log.h"
#include "agentctl/learn/print.h"
#include "agentctl/learn/trip.h"
#include "agentctl/seen/suggest.h"
#include "policy/base/cleanup.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

/* Each leaves out what the reader of policies will not have, 100 things at most. */
#define ROUNDS_MAX 16

/* An item of an egress list: what there is for an endpoint already. */
struct item {
	int list;
	char text[ENDPOINT_STRLEN];
	int node;
	struct learned *learned; /* that made it, or changed it, first; NULL: none */
};

struct writing {
	yaml_document_t doc;
	void *items; /* of tsearch */
	bool failed;
};

/* ---- endpoints ------------------------------------------------------------------------------- */

static int by_list_and_text(const void *x, const void *y)
{
	const struct item *a = x, *b = y;

	return a->list != b->list ? (a->list > b->list) - (a->list < b->list)
				  : strcmp(a->text, b->text);
}

/* The item of this endpoint, made with node where there is none. NULL: no memory. */
static struct item *item_of(struct writing *w, int list, const struct endpoint *ep, int node)
{
	struct item *new = calloc(1, sizeof(*new));
	struct item **at;

	if (!new)
		return NULL;
	new->list = list;
	new->node = node;
	endpoint_format(ep, new->text);
	at = tsearch(new, &w->items, by_list_and_text);
	if (!at || *at != new)
		free(new);
	return at ? *at : NULL;
}

/* The endpoint of an entry of an egress list: the entry itself, or its `to`. */
static const char *target(yaml_document_t *doc, int id)
{
	const yaml_node_pair_t *to = doc_pair(doc, id, "to");

	return doc_text(yaml_document_get_node(doc, to ? to->value : id));
}

static bool is_group(const char *text)
{
	for (size_t i = 0; i < policy_groups_n; i++)
		if (strcmp(policy_groups[i].name, text) == 0)
			return true;
	return false;
}

/* The items of a list that held. */
static void know_list(struct writing *w, int list)
{
	const yaml_node_t *l = yaml_document_get_node(&w->doc, list);

	for (const yaml_node_item_t *i = l->data.sequence.items.start;
	     i < l->data.sequence.items.top; i++) {
		const char *text = target(&w->doc, *i);
		struct endpoint ep;

		if (text && !is_group(text) &&
		    endpoint_parse(text, strlen(text), &ep, NULL, NULL) == 0)
			w->failed |= !item_of(w, list, &ep, *i);
	}
}

/* The item as a mapping, in one line. */
static int as_mapping(struct writing *w, struct item *item)
{
	yaml_node_t *n = yaml_document_get_node(&w->doc, item->node), *l;
	int m;

	if (n->type == YAML_MAPPING_NODE) {
		n->data.mapping.style = YAML_FLOW_MAPPING_STYLE;
		return item->node;
	}
	m = yaml_document_add_mapping(&w->doc, NULL, YAML_FLOW_MAPPING_STYLE);
	if (!m || !doc_put(&w->doc, m, "to", item->node))
		return 0;
	l = yaml_document_get_node(&w->doc, item->list);
	for (yaml_node_item_t *i = l->data.sequence.items.start; i < l->data.sequence.items.top;
	     i++)
		if (*i == item->node)
			*i = m;
	item->node = m;
	return m;
}

static bool put_address(struct writing *w, int mapping, const struct prefix *p)
{
	char text[PREFIX_STRLEN];
	int list = doc_value(&w->doc, mapping, "addresses", YAML_SEQUENCE_NODE);
	const yaml_node_t *l = yaml_document_get_node(&w->doc, list);
	int node;

	prefix_format(p, text);
	for (const yaml_node_item_t *i = list ? l->data.sequence.items.start : NULL;
	     list && i < l->data.sequence.items.top; i++)
		if (doc_is(yaml_document_get_node(&w->doc, *i), text))
			return true;
	node = list ? doc_scalar(&w->doc, text) : 0;
	return node && yaml_document_append_sequence_item(&w->doc, list, node);
}

static bool put_ech(struct writing *w, int mapping)
{
	int tls = doc_value(&w->doc, mapping, "tls", YAML_MAPPING_NODE);
	yaml_node_pair_t *ech = tls ? doc_pair(&w->doc, tls, "ech") : NULL;
	int allow = tls ? doc_scalar(&w->doc, "allow") : 0;

	if (ech && allow)
		ech->value = allow;
	return allow && (ech || doc_put(&w->doc, tls, "ech", allow));
}

/* Adds the keys that the entry does not have yet. */
static bool put_words(struct writing *w, struct item *item, const struct learn_entry *e)
{
	int m = e->at || e->ech ? as_mapping(w, item) : item->node;

	return m && (!e->at || put_address(w, m, &e->address)) && (!e->ech || put_ech(w, m));
}

static void put_entry(struct writing *w, int list, struct learned *x)
{
	char text[ENDPOINT_STRLEN];
	struct item *item;
	int node = 0;
	bool fresh;

	if (!endpoint_entry(&x->entry.ep, text)) { /* it had one when it was read */
		w->failed = true;
		return;
	}
	item = item_of(w, list, &x->entry.ep, 0);
	fresh = item && !item->node;
	if (fresh)
		item->node = node = doc_scalar(&w->doc, text);
	if (!item ||
	    (fresh && (!node || !yaml_document_append_sequence_item(&w->doc, list, node)))) {
		w->failed = true;
		return;
	}
	if (!fresh && !item->learned && !x->entry.at && !x->entry.ech)
		return; /* what held says it */
	w->failed |= !put_words(w, item, &x->entry);
	if (item->learned)
		item->learned->count += x->count;
	else
		item->learned = x;
	x->node = item->node;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void put_path(struct writing *w, int list, struct learned *x)
{
	const struct proposal *p = x->path;
	int id = doc_scalar(&w->doc, p->path), m;

	if (id && (p->broad || p->optional)) {
		m = yaml_document_add_mapping(&w->doc, NULL, YAML_FLOW_MAPPING_STYLE);
		if (!m || !doc_put(&w->doc, m, "path", id) ||
		    (p->broad && !doc_put(&w->doc, m, "broad", doc_scalar(&w->doc, "true"))) ||
		    (p->optional && !doc_put(&w->doc, m, "optional", doc_scalar(&w->doc, "true"))))
			m = 0;
		id = m;
	}
	x->node = id;
	w->failed |= !id || !yaml_document_append_sequence_item(&w->doc, list, id);
}

/* How many paths a profile has, its command included. */
static size_t paths_of(struct writing *w, int profile)
{
	static const char *const lists[] = {"read", "write", "exec", "deny"};
	size_t n = 1;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const yaml_node_pair_t *p = doc_pair(&w->doc, profile, lists[i]);
		const yaml_node_t *l = p ? yaml_document_get_node(&w->doc, p->value) : NULL;

		if (l && l->type == YAML_SEQUENCE_NODE)
			n += (size_t)(l->data.sequence.items.top - l->data.sequence.items.start);
	}
	return n;
}

/* ---- one program ----------------------------------------------------------------------------- */

static void leave_out(struct learned *x, const char *why)
{
	snprintf(x->why_not, sizeof(x->why_not), "%s", why);
}

/* The mapping that holds the lists of the agent or the tool; 0: there is none. */
static int lists_of(struct writing *w, const char *tool, bool egress)
{
	yaml_node_pair_t *p;

	if (!tool)
		return egress ? 1 : doc_value(&w->doc, 1, "agent", YAML_MAPPING_NODE);
	p = doc_pair(&w->doc, 1, "tools");
	p = p ? doc_pair(&w->doc, p->value, tool) : NULL;
	return p && yaml_document_get_node(&w->doc, p->value)->type == YAML_MAPPING_NODE ? p->value
											 : 0;
}

static void put_endpoints(struct writing *w, struct learned *x, size_t n)
{
	int at, list = 0;

	for (size_t i = 0; i < n && !w->failed; i++) {
		if (!x[i].endpoint || x[i].why_not[0])
			continue;
		if (!(at = lists_of(w, x[i].tool, true))) {
			leave_out(&x[i], "left out: the policy has no such tool");
			continue;
		}
		if (!list && (list = doc_value(&w->doc, at, "egress", YAML_SEQUENCE_NODE)))
			know_list(w, list);
		if (list)
			put_entry(w, list, &x[i]);
		else
			w->failed = true;
	}
}

static void put_paths(struct writing *w, struct learned *x, size_t n)
{
	size_t room = 0;
	int at = 0, list;

	for (size_t i = 0; i < n && !w->failed; i++) {
		if (!x[i].path || x[i].why_not[0])
			continue;
		if (!at && (at = lists_of(w, x[i].tool, false)))
			room = paths_of(w, at) < PROFILE_PATHS_MAX
				   ? PROFILE_PATHS_MAX - paths_of(w, at)
				   : 0;
		if (!at || !room) {
			leave_out(&x[i], at ? "left out: a profile takes no more paths"
					    : "left out: the policy has no such tool");
			continue;
		}
		list = doc_value(&w->doc, at, profile_list(x[i].path->right), YAML_SEQUENCE_NODE);
		if (list)
			put_path(w, list, &x[i]);
		w->failed |= !list;
		room--;
	}
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The proposal is in mode enforce, which is the default. */
static void enforce(struct writing *w)
{
	yaml_node_pair_t *p = doc_pair(&w->doc, 1, "mode");
	int id = p ? doc_scalar(&w->doc, "enforce") : 0;

	if (id)
		p->value = id;
	w->failed |= p && !id;
}

/* The document, with all that is not left out. */
static void fill(struct writing *w, struct learned_all *all)
{
	size_t n;

	enforce(w);
	for (size_t i = 0; i < all->n; i++) {
		struct learned *x = &all->list[i];

		x->node = 0;
		x->line = 0;
		x->count = x->endpoint ? x->endpoint->count : x->path->count;
		x->files = x->path ? x->path->files : 1;
	}
	for (struct learned *x = all->list; x < all->list + all->n; x += n) {
		n = 1; /* of one program */
		while (x + n < all->list + all->n && x[n].tool == x->tool)
			n++;
		put_endpoints(w, x, n);
		put_paths(w, x, n);
	}
}

/* The log's own texts are escaped already. */
static const char *shown(const char *s, char *buf, size_t bytes)
{
	for (const char *p = s; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return str_escape(buf, bytes, s, strlen(s));
	return s;
}

static void say_left_out(struct text *t, const struct learned_all *all)
{
	bool said = false;

	for (size_t i = 0; i < all->n; i++) {
		const struct learned *x = &all->list[i];
		const char *what = x->path ? x->path->path : x->endpoint->text;
		char buf[4096], why[4 * sizeof(x->why_not)];

		if (!x->why_not[0])
			continue;
		text_say(t, "%s#   %s %s: %s\n", said ? "" : "# Seen, and not proposed:\n",
			 x->path                ? profile_list(x->path->right)
			 : x->endpoint->inbound ? "ingress"
						: "egress",
			 x->path ? str_escape(buf, sizeof(buf), what, strlen(what))
				 : shown(what, buf, sizeof(buf)),
			 shown(x->why_not, why, sizeof(why)));
		said = true;
	}
}

struct base {
	const char *text, *file, *head;
	size_t bytes;
};

static int round_of(const struct base *base, struct learned_all *all, struct text *out,
		    bool *ret_left_out, struct err *e)
{
	struct writing w = {0};
	const yaml_node_t *root;
	int r;

	if (!doc_load(base->text, base->bytes, &w.doc))
		return err_set(e, EINVAL, "the policy cannot be read again");
	root = yaml_document_get_root_node(&w.doc);
	if (!root || root->type != YAML_MAPPING_NODE) {
		yaml_document_delete(&w.doc);
		return err_set(e, EINVAL, "the policy is no mapping");
	}
	yaml_document_get_node(&w.doc, 1)->data.mapping.style = YAML_BLOCK_MAPPING_STYLE;
	fill(&w, all);
	text_say(out, "%s", base->head);
	say_left_out(out, all);
	r = w.failed ? -ENOMEM : print_document(&w.doc, all, out);
	tdestroy(w.items, free);
	yaml_document_delete(&w.doc);
	if (r < 0)
		return err_set(e, -r, "the policy cannot be written: %s", strerror(-r));
	return trip(out->p, out->n, base->file, all, ret_left_out, e);
}

/* ---- what there is to say -------------------------------------------------------------------- */

static int by_name(const void *x, const void *y)
{
	return strcmp(((const struct seen_endpoint *)x)->name,
		      ((const struct seen_endpoint *)y)->name);
}

static void keep(void *p)
{
}

static void gather_endpoints(const struct seen *by, struct learned_all *ret)
{
	void *reached = NULL; /* names that were not only looked up: that says more */

	for (size_t k = 0; k < by->n_endpoints; k++)
		if (!by->endpoint[k].dns && by->endpoint[k].suggest && by->endpoint[k].name[0])
			(void)tsearch(&by->endpoint[k], &reached, by_name);
	for (size_t k = 0; k < by->n_endpoints; k++) {
		struct learned *x = &ret->list[ret->n];
		const char *why;

		if (by->endpoint[k].dns && tfind(&by->endpoint[k], &reached, by_name))
			continue;
		x->tool = by->tool;
		x->endpoint = &by->endpoint[k];
		why = learn_entry_of(x->endpoint, &x->entry);
		leave_out(x, why ? why : "");
		ret->n++;
	}
	tdestroy(reached, keep);
}

static const char *why_not(const struct proposal *p)
{
	char buf[2 * PROFILE_PATH_MAX + 3];

	if (p->why_not)
		return p->why_not;
	return suggest_yaml(p->path, buf, sizeof(buf))
		   ? ""
		   : "left out: a policy cannot write this name";
}

static int yaml_gather(const struct seen_all *s, const struct proposals *files,
		       struct learned_all *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->by[i].n_endpoints + files[i].n;
	ret->list = calloc(n + 1, sizeof(*ret->list));
	if (!ret->list)
		return -ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		gather_endpoints(&s->by[i], ret);
		for (size_t k = 0; k < files[i].n; k++) {
			struct learned *x = &ret->list[ret->n++];

			x->tool = s->by[i].tool;
			x->path = &files[i].list[k];
			leave_out(x, why_not(x->path));
		}
	}
	return 0;
}

int learn_policy(const char *text, size_t bytes, const char *file, const struct seen_all *s,
		 const struct proposals *files, const char *head, char **ret, struct err *e)
{
	static const char least[] = "version: 1\n";
	const struct base base = {bytes ? text : least, file, head,
				  bytes ? bytes : sizeof(least) - 1};
	struct learned_all all = {0};
	struct text out = {0};
	bool left_out = true;
	int r = yaml_gather(s, files, &all);

	if (r < 0)
		return err_set(e, ENOMEM, "out of memory");
	for (size_t i = 0; r == 0 && left_out && i < ROUNDS_MAX; i++) {
		free(out.p);
		out = (struct text){0};
		r = round_of(&base, &all, &out, &left_out, e);
	}
	if (r == 0 && left_out)
		r = err_set(e, EINVAL, "what was learned makes no policy");
	free(all.list);
	if (r < 0) {
		free(out.p);
		return r;
	}
	*ret = out.p;
	return 0;
}
