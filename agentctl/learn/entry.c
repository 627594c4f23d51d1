// SPDX-License-Identifier: GPL-2.0-or-later
/* The log has what an agent called things. A suggestion in it is text of three grammars, one in the
 * other (JSON, YAML, endpoints): each is read by its own reader, and what comes out must be what the
 * other fields of the event say. */
#include "agentctl/learn/entry.h"

#include <netinet/in.h>
#include <string.h>

#include "agentctl/learn/document.h"
#include "agentctl/learn/log.h"

#define PORT_HTTPS 443

/* ---- the suggestion ----------------------------------------------------------------------------
 */

static bool read_endpoint(const yaml_node_t *n, struct endpoint *ret)
{
	const char *text = doc_text(n);
	char again[ENDPOINT_STRLEN];

	return text && endpoint_parse(text, strlen(text), ret, NULL, NULL) == 0 &&
	       endpoint_entry(ret, again) && strcmp(text, again) == 0;
}

static bool read_addresses(yaml_document_t *doc, int id, struct learn_entry *ret)
{
	const yaml_node_t *n = yaml_document_get_node(doc, id);
	const char *text;

	if (n->type != YAML_SEQUENCE_NODE ||
	    n->data.sequence.items.top - n->data.sequence.items.start != 1)
		return false;
	text = doc_text(yaml_document_get_node(doc, n->data.sequence.items.start[0]));
	ret->at = true;
	return text && prefix_parse(text, strlen(text), &ret->address) == 0;
}

static bool read_tls(yaml_document_t *doc, int id, struct learn_entry *ret)
{
	const yaml_node_pair_t *ech = doc_pair(doc, id, "ech");

	ret->ech = true;
	return ech && doc_pairs(doc, id) == 1 &&
	       doc_is(yaml_document_get_node(doc, ech->value), "allow");
}

static bool read_item(yaml_document_t *doc, struct learn_entry *ret)
{
	const yaml_node_t *root = yaml_document_get_root_node(doc);
	const yaml_node_pair_t *to = root ? doc_pair(doc, 1, "to") : NULL;
	const yaml_node_pair_t *at = root ? doc_pair(doc, 1, "addresses") : NULL;
	const yaml_node_pair_t *tls = root ? doc_pair(doc, 1, "tls") : NULL;

	if (!to)
		return read_endpoint(root, &ret->ep);
	return doc_pairs(doc, 1) == 1u + (at != NULL) + (tls != NULL) &&
	       read_endpoint(yaml_document_get_node(doc, to->value), &ret->ep) &&
	       (!at || read_addresses(doc, at->value, ret)) &&
	       (!tls || read_tls(doc, tls->value, ret));
}

/* ---- what was seen -----------------------------------------------------------------------------
 */

static bool same_name(const struct seen_endpoint *e, const struct endpoint *ep)
{
	struct name n;

	return ep->host == HOST_NAME && name_canon(e->name, strlen(e->name), &n) &&
	       name_equal(&n, &ep->name);
}

static bool is_one(const struct prefix *p, const struct addr *a)
{
	return p->bits == (a->family == 4 ? 32 : 128) && addr_equal(&p->addr, a);
}

/* A question: for the name as https, or for an address that the answer had. */
static bool fits_question(const struct seen_endpoint *e, const struct learn_entry *x)
{
	if (!same_name(e, &x->ep) || x->ech)
		return false;
	return x->at ? is_one(&x->address, &e->dst)
		     : x->ep.scheme == SCHEME_HTTPS && x->ep.n_ports == 1 &&
			   x->ep.ports[0] == PORT_HTTPS;
}

static bool fits_packet(const struct seen_endpoint *e, const struct learn_entry *x)
{
	const struct endpoint *ep = &x->ep;

	if (x->at || scheme_l4proto(ep->scheme) != e->l4proto ||
	    (e->l4proto != IPPROTO_ICMP && (ep->n_ports != 1 || ep->ports[0] != e->port)))
		return false;
	return same_name(e, ep) || (ep->host == HOST_PREFIX && is_one(&ep->prefix, &e->dst));
}

const char *learn_entry_of(const struct seen_endpoint *e, struct learn_entry *ret)
{
	yaml_document_t doc;
	bool good;

	*ret = (struct learn_entry){0};
	if (e->inbound)
		return "left out: who may connect to a listener is not learned";
	if (!e->suggest)
		return "nothing that a rule allows";
	if (!doc_load(e->suggest, strlen(e->suggest), &doc))
		return "left out: what the log suggests for it is no entry";
	good = read_item(&doc, ret);
	yaml_document_delete(&doc);
	if (!good)
		return "left out: what the log suggests for it is no entry";
	if (!(e->question ? fits_question(e, ret) : fits_packet(e, ret)))
		return "left out: what the log suggests for it allows something else";
	return NULL;
}
