// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/dns/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fw/engine/hash.h"

#define PLACES 4096 /* two for each key */

struct place {
	struct name name;
	uint16_t type;
	struct dns_result *res; /* NULL: free */
};

struct dns_cache {
	struct place place[PLACES];
};

int dns_cache_new(struct dns_cache **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void dns_cache_free(struct dns_cache *c)
{
	for (size_t i = 0; c && i < PLACES; i++)
		free(c->place[i].res);
	free(c);
}

static struct place *places(struct dns_cache *c, const struct name *name, uint16_t type)
{
	uint32_t h = hash_bytes(hash_key() ^ type, name->s, name->len);

	return &c->place[h % (PLACES / 2) * 2];
}

struct dns_result *dns_cache_get(struct dns_cache *c, const struct name *name, uint16_t type,
				 uint64_t now_ms)
{
	struct place *p = places(c, name, type);

	for (int i = 0; i < 2; i++, p++)
		if (p->res && p->type == type && name_equal(&p->name, name))
			return p->res->until_ms > now_ms ? p->res : NULL;
	return NULL;
}

void dns_cache_put(struct dns_cache *c, const struct name *name, uint16_t type,
		   const struct dns_result *res)
{
	struct place *p = places(c, name, type);
	struct dns_result *copy = res->ttl_s ? malloc(sizeof(*copy)) : NULL;

	if (!copy)
		return;
	memcpy(copy, res, sizeof(*copy));
	if (p[0].res && !(p[0].type == type && name_equal(&p[0].name, name)) &&
	    (!p[1].res || p[1].res->until_ms < p[0].res->until_ms ||
	     (p[1].type == type && name_equal(&p[1].name, name))))
		p++;
	free(p->res);
	p->res = copy;
	p->name = *name;
	p->type = type;
}

uint32_t dns_result_ttl(const struct dns_result *res, uint64_t now_ms)
{
	return res->until_ms > now_ms ? (uint32_t)((res->until_ms - now_ms) / 1000) : 0;
}
