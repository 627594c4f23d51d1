// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

bool addr_parse(const char *text, size_t len, struct addr *ret)
{
	char buf[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (len == 0 || len >= sizeof(buf))
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	if (strlen(buf) != len)
		return false;
	if (inet_pton(AF_INET, buf, bytes) == 1)
		*ret = addr_from_v4(bytes);
	else if (inet_pton(AF_INET6, buf, bytes) == 1)
		*ret = addr_from_v6(bytes);
	else
		return false;
	return true;
}

static unsigned width(const struct addr *a)
{
	return a->family == 4 ? 32 : 128;
}

/* Zeroes the host bits; true when one was set. */
static bool mask(struct addr *a, unsigned bits)
{
	bool set = false;

	for (unsigned i = bits; i < width(a); i++) {
		uint8_t bit = (uint8_t)(0x80 >> (i % 8));

		set |= (a->b[i / 8] & bit) != 0;
		a->b[i / 8] &= (uint8_t)~bit;
	}
	return set;
}

static int bits_parse(const char *text, size_t len, unsigned max)
{
	unsigned bits = 0;

	if (len == 0 || len > 3 || (len > 1 && text[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		bits = bits * 10 + (unsigned)(text[i] - '0');
	}
	return bits > max ? -1 : (int)bits;
}

int prefix_parse(const char *text, size_t len, struct prefix *ret)
{
	const char *slash = memchr(text, '/', len);
	size_t addr_len = slash ? (size_t)(slash - text) : len;
	struct prefix p;
	int bits;

	if (!addr_parse(text, addr_len, &p.addr))
		return -EINVAL;
	bits = (int)width(&p.addr);
	if (slash) {
		bool mapped = p.addr.family == 4 && memchr(text, ':', addr_len);

		bits = bits_parse(slash + 1, len - addr_len - 1, mapped ? 128 : width(&p.addr));
		if (mapped)
			bits = bits < 96 ? -1 : bits - 96;
	}
	if (bits < 0)
		return -EINVAL;
	p.bits = (uint8_t)bits;
	bits = mask(&p.addr, p.bits) ? -ERANGE : 0;
	*ret = p;
	return bits;
}

const char *addr_format(const struct addr *a, char *buf)
{
	if (a->family == 4 || a->family == 6)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf, ADDR_STRLEN);
	else
		strcpy(buf, "none");
	return buf;
}

const char *prefix_format(const struct prefix *p, char *buf)
{
	addr_format(&p->addr, buf);
	if (p->bits != width(&p->addr))
		snprintf(buf + strlen(buf), PREFIX_STRLEN - strlen(buf), "/%u", p->bits);
	return buf;
}

struct addr addr_from_v4(const void *bytes4)
{
	struct addr a = {.family = 4};

	memcpy(a.b, bytes4, 4);
	return a;
}

struct addr addr_from_v6(const void *bytes16)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct addr a = {.family = 6};

	if (memcmp(bytes16, mapped, sizeof(mapped)) == 0)
		return addr_from_v4((const uint8_t *)bytes16 + 12);
	memcpy(a.b, bytes16, 16);
	return a;
}

bool addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret, uint16_t *ret_port)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		*ret = addr_from_v4(&in->sin_addr);
	else if (sa->sa_family == AF_INET6)
		*ret = addr_from_v6(&in6->sin6_addr);
	else
		return false;
	if (ret_port)
		*ret_port = ntohs(sa->sa_family == AF_INET ? in->sin_port : in6->sin6_port);
	return true;
}

socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (a->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->b, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, a->b, 16);
	return sizeof(*in6);
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, a->family == 4 ? 4 : 16) == 0;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	if (p->addr.family != a->family || memcmp(p->addr.b, a->b, whole) != 0)
		return false;
	return !rest || ((p->addr.b[whole] ^ a->b[whole]) & (uint8_t)(0xff00 >> rest)) == 0;
}

/* Forms whose packets go to the IPv4 address. */
static const struct {
	struct prefix prefix;
	uint8_t at;
} translated[] = {
    {{{6, {0x00, 0x64, 0xff, 0x9b}}, 96}, 12}, /* NAT64, RFC 6052 */
    {{{6, {[8] = 0xff, [9] = 0xff}}, 96}, 12}, /* IPv4-translated, RFC 2765 */
    {{{6, {0x20, 0x02}}, 16}, 2},              /* 6to4, RFC 3056 */
    {{{6, {0}}, 96}, 12},                      /* IPv4-compatible, RFC 4291 */
};

/* Where the address stands; 0: it is none of these forms. */
static size_t embeds_alone(const struct addr *a)
{
	static const uint8_t zero[15];

	if (a->family != 6 || (memcmp(a->b, zero, sizeof(zero)) == 0 && a->b[15] <= 1))
		return 0; /* :: and ::1 are themselves */
	for (size_t i = 0; i < sizeof(translated) / sizeof(translated[0]); i++)
		if (prefix_contains(&translated[i].prefix, a))
			return translated[i].at;
	return 0;
}

size_t addr_embedded_v4(const struct addr *a, struct addr ret[ADDR_EMBEDDED_MAX])
{
	static const struct prefix teredo = {{6, {0x20, 0x01}}, 32};
	size_t at = embeds_alone(a);
	uint8_t client[4];

	if (at) {
		ret[0] = addr_from_v4(a->b + at);
		return 1;
	}
	if (a->family != 6)
		return 0;
	if (prefix_contains(&teredo, a)) { /* RFC 4380: the client, its bits turned; the server */
		for (size_t i = 0; i < 4; i++)
			client[i] = (uint8_t)~a->b[12 + i];
		ret[0] = addr_from_v4(client);
		ret[1] = addr_from_v4(a->b + 4);
		return 2;
	}
	/* ISATAP, RFC 5214: an interface of this kind sends to the IPv4 address, whatever the
	 * prefix. */
	if ((a->b[8] & 0xfd) == 0 && a->b[9] == 0 && a->b[10] == 0x5e && a->b[11] == 0xfe) {
		ret[0] = addr_from_v4(a->b + 12);
		return 1;
	}
	return 0;
}

/* RFC 6890, the IANA special-purpose registries; for metadata the providers' documents. */
static const struct {
	struct prefix prefix;
	enum addr_kind kind;
} kinds[] = {
    {{{4, {0}}, 8}, ADDR_UNSPECIFIED},
    {{{6, {0}}, 128}, ADDR_UNSPECIFIED}, /* :: */
    {{{4, {127}}, 8}, ADDR_LOOPBACK},
    {{{6, {[15] = 0x01}}, 128}, ADDR_LOOPBACK},       /* ::1 */
    {{{4, {169, 254, 169, 254}}, 32}, ADDR_METADATA}, /* AWS, Azure, Google, OpenStack and others */
    {{{4, {169, 254, 170, 2}}, 32}, ADDR_METADATA},   /* AWS ECS */
    {{{4, {169, 254, 170, 23}}, 32}, ADDR_METADATA},  /* AWS EKS pod identity */
    {{{4, {169, 254, 169, 123}}, 32}, ADDR_METADATA}, /* AWS time */
    {{{4, {169, 254, 169, 253}}, 32}, ADDR_METADATA}, /* AWS DNS */
    {{{4, {100, 100, 100, 200}}, 32}, ADDR_METADATA}, /* Alibaba */
    {{{4, {192, 0, 0, 192}}, 32}, ADDR_METADATA},     /* Oracle */
    {{{4, {168, 63, 129, 16}}, 32}, ADDR_METADATA},   /* Azure wire server */
    {{{6, {0xfd, 0x00, 0x0e, 0xc2}}, 32}, ADDR_METADATA}, /* AWS */
    {{{6, {[0] = 0xfd, [1] = 0x20, [3] = 0xce, [14] = 0x02, [15] = 0x54}}, 128},
     ADDR_METADATA}, /* Google */
    {{{4, {169, 254}}, 16}, ADDR_LINK_LOCAL},
    {{{6, {0xfe, 0x80}}, 10}, ADDR_LINK_LOCAL}, /* fe80:: */
    {{{4, {224}}, 4}, ADDR_MULTICAST},
    {{{4, {255, 255, 255, 255}}, 32}, ADDR_MULTICAST},
    {{{6, {0xff}}, 8}, ADDR_MULTICAST}, /* ff00:: */
    {{{4, {10}}, 8}, ADDR_PRIVATE},
    {{{4, {172, 16}}, 12}, ADDR_PRIVATE},
    {{{4, {192, 168}}, 16}, ADDR_PRIVATE},
    {{{4, {100, 64}}, 10}, ADDR_PRIVATE},
    {{{6, {0xfc}}, 7}, ADDR_PRIVATE},        /* fc00:: */
    {{{6, {0xfe, 0xc0}}, 10}, ADDR_PRIVATE}, /* fec0:: */
    {{{6, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}}, 48},
     ADDR_PRIVATE}, /* a site's own NAT64, RFC 8215 */
    {{{4, {192}}, 24}, ADDR_RESERVED},
    {{{4, {192, 0, 2}}, 24}, ADDR_RESERVED},
    {{{4, {192, 88, 99}}, 24}, ADDR_RESERVED},
    {{{4, {198, 18}}, 15}, ADDR_RESERVED},
    {{{4, {198, 51, 100}}, 24}, ADDR_RESERVED},
    {{{4, {203, 0, 113}}, 24}, ADDR_RESERVED},
    {{{4, {240}}, 4}, ADDR_RESERVED},
    {{{6, {0x01}}, 64}, ADDR_RESERVED},                   /* 100:: */
    {{{6, {0x01, 0x00, [7] = 0x01}}, 64}, ADDR_RESERVED}, /* dummy, RFC 9780 */
    {{{6, {0x20, 0x01, 0x0d, 0xb8}}, 32}, ADDR_RESERVED}, /* 2001:db8:: */
    {{{6, {0x3f, 0xff}}, 20}, ADDR_RESERVED},             /* 3fff:: */
    {{{6, {0x20, 0x01}}, 23}, ADDR_RESERVED},             /* Teredo, ORCHID and other protocols */
    {{{6, {0x5f}}, 16}, ADDR_RESERVED},                   /* 5f00:: */
};

static enum addr_kind kind_of_prefix(const struct addr *a)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (prefix_contains(&kinds[i].prefix, a))
			return kinds[i].kind;
	/* of IPv6 only 2000::/3 has been given to anybody */
	return a->family == 4 || (a->b[0] & 0xe0) == 0x20 ? ADDR_GLOBAL : ADDR_RESERVED;
}

/* The outer address counts first: fe80::5efe:192.0.2.1 stays on its link. */
enum addr_kind addr_kind(const struct addr *a)
{
	bool whole = embeds_alone(a) != 0;
	enum addr_kind kind = whole ? ADDR_GLOBAL : kind_of_prefix(a);
	struct addr inner[ADDR_EMBEDDED_MAX];
	size_t n = addr_embedded_v4(a, inner);

	for (size_t i = 0; i < n && (kind == ADDR_GLOBAL || kind == ADDR_RESERVED); i++) {
		enum addr_kind k = kind_of_prefix(&inner[i]);

		if (k != ADDR_GLOBAL)
			kind = k;
	}
	return kind;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t self[16] = {[15] = 1};

	return a->family == 4 ? a->b[0] == 127 : memcmp(a->b, self, sizeof(self)) == 0;
}

const char *addr_kind_name(enum addr_kind kind)
{
	switch (kind) {
	case ADDR_GLOBAL:
		return "global";
	case ADDR_UNSPECIFIED:
		return "the unspecified address";
	case ADDR_LOOPBACK:
		return "loopback";
	case ADDR_METADATA:
		return "a cloud metadata address";
	case ADDR_LINK_LOCAL:
		return "link-local";
	case ADDR_MULTICAST:
		return "multicast";
	case ADDR_PRIVATE:
		return "private";
	case ADDR_RESERVED:
		return "reserved";
	}
	return "unknown";
}
