// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/entry.h"

#include <string.h>

#include "policy/lists/suffix.h"

const struct policy_group *entry_group(const char *name)
{
	for (size_t i = 0; i < policy_groups_n; i++)
		if (strcmp(policy_groups[i].name, name) == 0)
			return &policy_groups[i];
	return NULL;
}

bool entry_is_word(const char *text, const struct endpoint *ep)
{
	return ep->host == HOST_NAME && !ep->scheme_written && !strpbrk(text, ".:");
}

bool entry_to_resolver(const struct endpoint *ep)
{
	for (size_t i = 0; i < ep->n_ports; i++)
		if (ep->ports[i] == PORT_DNS)
			return true;
	return false;
}

bool entry_prefix_broad(const struct prefix *p)
{
	/* fc00::/7 is the largest block that is somebody's own */
	return p->bits < (p->addr.family == 4 ? 8 : 7);
}

const char *entry_too_broad(const struct endpoint *ep)
{
	switch (ep->host) {
	case HOST_ANY:
		return "it allows every host";
	case HOST_PREFIX:
		return entry_prefix_broad(&ep->prefix)
			   ? "a prefix as short as this allows a large part of the internet"
			   : NULL;
	case HOST_WILDCARD:
		return suffix_is_public(&ep->name) ? "everybody can get a name under this suffix, "
						     "so the wildcard allows everybody"
						   : NULL;
	case HOST_NAME:
	case HOST_LOCALHOST:
		break;
	}
	return NULL;
}

bool entry_never_named(const struct endpoint *ep)
{
	enum addr_kind kind = addr_kind(&ep->prefix.addr);

	return ep->host == HOST_PREFIX &&
	       (kind == ADDR_MULTICAST || (kind == ADDR_LINK_LOCAL && ep->prefix.addr.family == 6));
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	if (a->scheme != b->scheme || a->host != b->host || a->n_ports != b->n_ports ||
	    memcmp(a->ports, b->ports, a->n_ports * sizeof(a->ports[0])) != 0)
		return false;
	if (a->host == HOST_PREFIX)
		return a->prefix.bits == b->prefix.bits &&
		       addr_equal(&a->prefix.addr, &b->prefix.addr);
	return (a->host != HOST_NAME && a->host != HOST_WILDCARD) || name_equal(&a->name, &b->name);
}

const char *endpoint_entry(const struct endpoint *ep, char *buf)
{
	struct endpoint read;

	endpoint_format(ep, buf);
	if (entry_group(buf) || endpoint_parse(buf, strlen(buf), &read, NULL, NULL) < 0 ||
	    !endpoint_equal(ep, &read))
		return NULL;
	return read.scheme == SCHEME_QUIC || entry_is_word(buf, &read) ||
		       entry_to_resolver(&read) || entry_too_broad(&read) ||
		       entry_never_named(&read)
		   ? NULL
		   : buf;
}
