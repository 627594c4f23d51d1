// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/escape/judge.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RULES_MAX 128
#define SAID_MAX  2000 /* leaks that are told: the rest is counted */

static struct rule {
	uint8_t proto;
	struct in6_addr address; /* IPv4 is mapped */
	uint16_t port;
	char kinds[8], names[8];
} rules[RULES_MAX];
static unsigned n_rules;
static struct in6_addr quiet[8], peers[16];
static uint16_t peer_ports[16];
static struct rule here[16];
static unsigned n_quiet, n_peers, n_here, said;
static bool unwalled;
static struct {
	unsigned long long frames, canaries, leaks;
} counts;

static void mapped(const char *text, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET6, text, ret) != 1) {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		if (inet_pton(AF_INET, text, &ret->s6_addr[12]) != 1)
			fprintf(stderr, "not an address: %s\n", text);
	}
}

static const char *shown(const struct in6_addr *a, char room[INET6_ADDRSTRLEN])
{
	return IN6_IS_ADDR_V4MAPPED(a) ? inet_ntop(AF_INET, &a->s6_addr[12], room, INET6_ADDRSTRLEN)
				       : inet_ntop(AF_INET6, a, room, INET6_ADDRSTRLEN);
}

static bool same(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_quiet(const struct where *w)
{
	for (unsigned i = 0; i < n_quiet; i++)
		if (same(&quiet[i], &w->to) && w->dport == 53)
			return true;
	return false;
}

/* kind 0: no payload, only whether anything may go there at all */
static bool may(const struct where *w, char kind, char name)
{
	for (unsigned i = 0; i < n_peers; i++)
		if (same(&peers[i], &w->to) && (w->fragment || peer_ports[i] == w->sport) &&
		    w->proto == IPPROTO_TCP && !w->syn)
			return true;
	for (unsigned i = 0; i < n_rules; i++) {
		const struct rule *r = &rules[i];

		if (r->proto != w->proto || !same(&r->address, &w->to) ||
		    (!w->fragment && r->port && r->port != w->dport))
			continue;
		if (!kind || r->kinds[0] == '*' ||
		    (strchr(r->kinds, kind) && (kind == 'N' || strchr(r->names, name))))
			return true;
	}
	return false;
}

static void leak(const struct where *w, const char *what, const char *canary)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	struct timespec t;

	counts.leaks++;
	if (said++ >= SAID_MAX)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	printf("LEAK %.*s %s %s %d %s %u %s %u %s %lld.%03ld\n", canary ? CANARY_BYTES - 4 : 1,
	       canary ? canary + 4 : "-", what, w->place, w->proto, shown(&w->from, from), w->sport,
	       shown(&w->to, to), w->dport,
	       w->fragment ? "fragment"
	       : w->syn    ? "syn"
			   : "-",
	       (long long)t.tv_sec, t.tv_nsec / 1000000);
	fflush(stdout);
}

static bool hex(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789abcdef", p[i]) || !p[i])
			return false;
	return true;
}

/* Every canary in the bytes is judged; one of each kind is told. True: something leaked. */
bool judge(const struct where *w, const uint8_t *data, size_t n, bool outsider, bool outsider_ok)
{
	const uint8_t *p = data, *end = data + n;
	char last[2] = {0};
	bool leaked = false;

	while ((size_t)(end - p) >= CANARY_BYTES &&
	       (p = memmem(p, (size_t)(end - p), CANARY_MAGIC, 4)) != NULL) {
		const char *c = (const char *)p;

		if ((size_t)(end - p) < CANARY_BYTES)
			break;
		p += 4;
		/* urgent bytes are not in the stream that a server reads: what was cut is no canary
		 */
		if (!hex(c + 4, 10) || !memchr("RHTDBNQ", c[14], 7) || !memchr("01239", c[15], 5))
			continue;
		counts.canaries++;
		if (c[14] == last[0] && c[15] == last[1])
			continue;
		memcpy(last, c + 14, 2);
		if (outsider ? outsider_ok : may(w, c[14], c[15]))
			continue;
		leak(w, "canary", c);
		leaked = true;
	}
	return leaked;
}

/* The fence, the kernel on its behalf, and the daemon's resolver talk from the agent's device. */
static void judge_packet(struct where *w, const uint8_t *data, size_t n)
{
	const bool icmp = w->proto == IPPROTO_ICMP || w->proto == IPPROTO_ICMPV6;

	if (judge(w, data, n, false, false) || strcmp(w->place, "r0") || w->fragment || is_quiet(w))
		return;
	if ((w->proto == IPPROTO_TCP && w->syn && !may(w, 0, 0)) ||
	    (w->proto == IPPROTO_UDP && !may(w, 0, 0)))
		leak(w, w->proto == IPPROTO_TCP ? "syn" : "datagram", NULL);
	if (!icmp && w->proto != IPPROTO_TCP && w->proto != IPPROTO_UDP && w->proto != IPPROTO_IGMP)
		leak(w, "protocol", NULL);
}

static void transport(struct where *w, const uint8_t *data, size_t n)
{
	if (!w->fragment && w->proto == IPPROTO_TCP && n >= 20) {
		w->sport = (uint16_t)(data[0] << 8 | data[1]);
		w->dport = (uint16_t)(data[2] << 8 | data[3]);
		w->syn = (data[13] & (TH_SYN | TH_ACK)) == TH_SYN;
	} else if (!w->fragment && w->proto == IPPROTO_UDP && n >= 8) {
		w->sport = (uint16_t)(data[0] << 8 | data[1]);
		w->dport = (uint16_t)(data[2] << 8 | data[3]);
	}
	judge_packet(w, data, n);
}

void judge_frame(const char *place, const uint8_t *data, size_t n)
{
	struct where w = {.place = place};
	size_t at = 14, head;

	counts.frames++;
	if (n >= 14 + 20 && data[12] == 8 && data[13] == 0) {
		head = (data[at] & 15) * 4u;
		w.proto = data[at + 9];
		w.fragment = (((data[at + 6] << 8 | data[at + 7]) & 0x1fff) != 0);
		w.from.s6_addr[10] = w.from.s6_addr[11] = w.to.s6_addr[10] = w.to.s6_addr[11] =
		    0xff;
		memcpy(&w.from.s6_addr[12], data + at + 12, 4);
		memcpy(&w.to.s6_addr[12], data + at + 16, 4);
	} else if (n >= 14 + 40 && data[12] == 0x86 && data[13] == 0xdd) {
		head = 40;
		w.proto = data[at + 6];
		memcpy(&w.from, data + at + 8, 16);
		memcpy(&w.to, data + at + 24, 16);
		while ((w.proto == 0 || w.proto == 43 || w.proto == 60 || w.proto == 44) &&
		       n >= at + head + 8) {
			const uint8_t *h = data + at + head;

			if (w.proto == 44 && ((h[2] << 8 | h[3]) & 0xfff8))
				w.fragment = true;
			head += w.proto == 44 ? 8u : (h[1] + 1u) * 8;
			w.proto = h[0];
		}
	} else { /* ARP and the like */
		judge(&w, data, n, true, false);
		return;
	}
	if (n > at + head)
		transport(&w, data + at + head, n - at - head);
}

uint16_t judge_take_address(const struct sockaddr_storage *s, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (s->ss_family == AF_INET) {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		memcpy(&ret->s6_addr[12], &((const struct sockaddr_in *)s)->sin_addr, 4);
	} else if (s->ss_family == AF_INET6) {
		*ret = ((const struct sockaddr_in6 *)s)->sin6_addr;
	}
	return ntohs(((const struct sockaddr_in *)s)->sin_port);
}

void judge_end_points(int fd, struct where *w)
{
	struct sockaddr_storage s = {0};
	socklen_t n = sizeof(s);

	if (getpeername(fd, (struct sockaddr *)&s, &n) == 0)
		w->sport = judge_take_address(&s, &w->from);
	n = sizeof(s);
	if (getsockname(fd, (struct sockaddr *)&s, &n) == 0)
		w->dport = judge_take_address(&s, &w->to);
}

bool judge_allowed_here(const struct where *w)
{
	for (unsigned i = 0; i < n_here; i++)
		if (here[i].proto == w->proto && here[i].port == w->dport &&
		    same(&here[i].address, &w->to))
			return true;
	return false;
}

bool judge_unwalled(void)
{
	return unwalled;
}

static uint8_t protocol(const char *text)
{
	return !strcmp(text, "tcp")   ? IPPROTO_TCP
	       : !strcmp(text, "udp") ? IPPROTO_UDP
				      : IPPROTO_ICMP;
}

void judge_read_table(void)
{
	char line[256], a[64], b[64], kinds[16], names[16];
	unsigned port;

	while (fgets(line, sizeof(line), stdin) && strcmp(line, "go\n")) {
		if (sscanf(line, "quiet %63s", a) == 1 && n_quiet < 8) {
			mapped(a, &quiet[n_quiet++]);
		} else if (sscanf(line, "peer %63s %u", a, &port) == 2 && n_peers < 16) {
			mapped(a, &peers[n_peers]);
			peer_ports[n_peers++] = (uint16_t)port;
		} else if (sscanf(line, "here %63s %63s %u", a, b, &port) == 3 && n_here < 16) {
			here[n_here].proto = protocol(a);
			mapped(b, &here[n_here].address);
			here[n_here++].port = (uint16_t)port;
		} else if (strcmp(line, "unwalled\n") == 0) {
			unwalled = true;
		} else if (sscanf(line, "%63s %63s %u %7s %7s", a, b, &port, kinds, names) == 5 &&
			   n_rules < RULES_MAX) {
			struct rule *r = &rules[n_rules++];

			r->proto = protocol(a);
			mapped(b, &r->address);
			r->port = (uint16_t)port;
			strcpy(r->kinds, kinds);
			strcpy(r->names, names);
		} else {
			fprintf(stderr, "not understood: %s", line);
			exit(1);
		}
	}
}

void judge_tell_counts(void)
{
	printf("seen %llu %llu %llu\n", counts.frames, counts.canaries, counts.leaks);
	fflush(stdout);
}
