// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/dns/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fw/engine/dns/resolving.h"

#define PIN_TTL_S      60
#define FILES_RESERVED 1024 /* descriptors that no question's socket takes */

/* ---- a query's way ------------------------------------------------------- */

/* Pins are answered from the policy alone. false: the name has none. */
static bool answer_pin(struct resolver_fence *rf, const struct dns_client *c,
		       const struct dns_query *q)
{
	struct addr pins[64];
	size_t n = policy_pin(rf->c.policy, &q->name, pins, 64);
	static struct dns_result res;
	uint8_t family = q->type == DNS_TYPE_A ? 4 : q->type == DNS_TYPE_AAAA ? 6 : 0;

	if (!n)
		return false;
	memset(&res, 0, sizeof(res));
	res.ttl_s = PIN_TTL_S;
	res.until_ms = loop_now_ms(rf->r->loop) + PIN_TTL_S * 1000;
	for (size_t i = 0; i < n && i < 64; i++)
		if (pins[i].family == family)
			res.addrs[res.n_addrs++] = pins[i];
	answer_learn(rf, &q->name, &res);
	answer_result(rf, c, q, &res);
	return true;
}

/* localhost and the names below it never leave a resolver (RFC 6761 §6.3). */
static bool answer_localhost(struct resolver_fence *rf, const struct dns_client *c,
			     const struct dns_query *q)
{
	static const struct name local = {9, "localhost"};
	static struct dns_result res;

	if (!name_equal(&q->name, &local) && !name_below(&q->name, &local))
		return false;
	memset(&res, 0, sizeof(res));
	res.ttl_s = PIN_TTL_S;
	res.until_ms = loop_now_ms(rf->r->loop) + PIN_TTL_S * 1000;
	if (q->type == DNS_TYPE_A)
		res.addrs[res.n_addrs++] = (struct addr){4, {127, 0, 0, 1}};
	else if (q->type == DNS_TYPE_AAAA)
		res.addrs[res.n_addrs++] = (struct addr){6, {[15] = 1}};
	answer_result(rf, c, q, &res);
	return true;
}

/* A reverse name gets NXDOMAIN here: its labels could carry data out. Programs that ask for one
 * (ssh, psql) do so per connection, and go on without it. */
static bool is_reverse(const struct name *n)
{
	static const struct name v4 = {12, "in-addr.arpa"}, v6 = {8, "ip6.arpa"};
	unsigned labels = name_labels(n);

	return (name_below(n, &v4) && labels <= 6) || (name_below(n, &v6) && labels <= 34);
}

static void answer_allowed(struct resolver_fence *rf, const struct dns_client *c,
			   const struct dns_query *q, bool refused)
{
	uint64_t now = loop_now_ms(rf->r->loop);
	struct dns_result *res;

	if (!refused && answer_pin(rf, c, q))
		return;
	if (dns_type_asks(q->type) == DNS_ASKS_NOBODY) {
		answer_error(rf, c, q, DNS_NOERROR, -1, NULL);
		return;
	}
	res = dns_cache_get(rf->cache, &q->name, q->type, now);
	if (res) {
		/* The pairs outlive this answer's TTL, unless they had to make room for others. */
		if (res->learned != rf->r->ops.forgotten(rf->r->arg, rf))
			answer_learn(rf, &q->name, res);
		answer_result(rf, c, q, res);
		return;
	}
	question_ask(rf, c, q, refused);
}

static void refuse_name(struct resolver_fence *rf, const struct dns_client *c,
			const struct dns_query *q, const struct match *why)
{
	const char *name = q->name.len ? q->name.s : q->shown;
	bool rule = why->verdict == VERDICT_DENY;
	uint32_t go = answer_tell(rf, c, rule ? DENIED_BY_RULE : DENIED_DNS_NAME, name, q->type,
				  why->rule, NULL, NULL);
	char text[200];

	if (rf->c.audit && q->name.len) {
		answer_allowed(rf, c, q, true);
		return;
	}
	snprintf(text, sizeof(text), "agentfw: %s %.120s",
		 rule ? "a deny rule forbids" : "no rule allows", name);
	answer_refused(rf, c, q, DNS_REFUSED, DNS_EDE_BLOCKED, text, go);
}

static bool on_query(void *arg, const struct dns_client *c, const uint8_t *msg, size_t n)
{
	static struct dns_query q;
	struct resolver_fence *rf = arg;
	struct opening o;
	struct match why;
	int rcode = DNS_FORMERR;

	/* A foreign source address: the answer would go there. The kernel's rules refuse it where
	 * they have `fib` (fw/nft/flow.c). */
	if (c->addr.family == 6 && !addr_is_loopback(&c->addr) &&
	    !rf->r->ops.is_local(rf->r->arg, &c->addr)) {
		answer_tell(rf, c, DENIED_SOURCE, "", 0, RULE_NONE, NULL, NULL);
		return false;
	}
	switch (dns_query_parse(msg, n, &q, &rcode)) {
	case WIRE_OK:
		break;
	case WIRE_BAD:
		answer_tell(rf, c, DENIED_DNS_MALFORMED, q.shown, q.type, RULE_NONE, NULL, NULL);
		answer_error(rf, c, &q, rcode, -1, NULL);
		return true;
	case WIRE_MORE:
	case WIRE_TRUNCATED:
		answer_tell(rf, c, DENIED_DNS_MALFORMED, "", 0, RULE_NONE, NULL, NULL);
		return false;
	}
	if (q.name.len && answer_localhost(rf, c, &q))
		return true;
	if (q.name.len && q.type == DNS_TYPE_PTR && is_reverse(&q.name)) {
		answer_error(rf, c, &q, DNS_NXDOMAIN, -1, NULL);
		return true;
	}
	if (q.name.len && policy_name_openings(rf->c.policy, &q.name, &o, 1, &why))
		answer_allowed(rf, c, &q, false);
	else
		refuse_name(rf, c, &q,
			    q.name.len ? &why : &(struct match){VERDICT_NONE, RULE_NONE});
	return true;
}

/* ---- life ---------------------------------------------------------------- */

static void on_spoofed(void *arg, const struct name *name, uint16_t type)
{
	answer_tell(arg, NULL, DENIED_DNS_SPOOFED, name->s, type, RULE_NONE, NULL, NULL);
}

static void on_want_socket(void *arg, unsigned server, int type)
{
	struct resolver_fence *rf = arg;

	rf->r->ops.want_socket(rf->r->arg, rf, server, type);
}

int resolver_new(struct loop *loop, const struct resolver_ops *ops, void *arg,
		 struct verdict_wait *waits, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct rlimit files;

	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->ops = *ops;
	r->arg = arg;
	r->waits = waits;
	r->share.max = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > 2 * FILES_RESERVED
			   ? files.rlim_cur - FILES_RESERVED
			   : FILES_RESERVED / 2;
	*ret = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	free(r);
}

int resolver_fence_add(struct resolver *r, const struct resolver_fence_config *c,
		       struct resolver_fence **ret)
{
	static const struct upstream_ops ops = {
	    .want_socket = on_want_socket, .answer = question_on_answer, .spoofed = on_spoofed};
	struct resolver_fence *rf = calloc(1, sizeof(*rf));
	int e;

	if (!rf)
		return -ENOMEM;
	rf->r = r;
	rf->c = *c;
	rf->answered_end = &rf->answered;
	rf->answered_timer = (struct timer){.fn = question_on_time, .arg = rf, .budget = c->budget};
	if ((e = dns_server_new(r->loop, c->udp4, c->tcp4, c->udp6, c->tcp6, on_query, rf,
				c->budget, &rf->server)) < 0 ||
	    (e = upstream_new(r->loop, c->n_servers, &ops, rf, &r->share, c->budget,
			      &rf->upstream)) < 0 ||
	    (e = dns_cache_new(&rf->cache)) < 0) {
		resolver_fence_del(rf);
		return e;
	}
	*ret = rf;
	return 0;
}

void resolver_fence_del(struct resolver_fence *rf)
{
	verdict_wait_forget(rf->r->waits, rf);
	questions_drop(rf);
	timer_cancel(rf->r->loop, &rf->answered_timer);
	upstream_free(rf->upstream);
	dns_server_free(rf->server);
	dns_cache_free(rf->cache);
	free(rf);
}

void *resolver_fence_arg(struct resolver_fence *rf)
{
	return rf->c.fence_arg;
}

void resolver_socket(struct resolver_fence *rf, unsigned server, int type, int fd)
{
	upstream_socket(rf->upstream, server, type, fd);
}
