// SPDX-License-Identifier: GPL-2.0-or-later
/* DNS: the input is read as a query, as an answer and as SVCB rdata; what we build from it must be
 * readable to ourselves. */
#include "fw/wire/dns.h"
#include "tests/fuzz/fuzz.h"

static struct dns_answer answer; /* 8 KB that need no clearing */

static void reply_to(const struct dns_query *q)
{
	static const uint8_t addr[16] = {192, 0, 2, 1};
	uint8_t buf[1232], query[512];
	struct dns_builder b;
	int rcode;

	size_t max = q->edns && q->edns_udp < sizeof(buf) ? q->edns_udp : sizeof(buf);
	dns_reply_begin(&b, buf, max, q, DNS_NOERROR);
	if (q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA)
		dns_reply_addr(&b, NULL, q->type, addr, 60);
	size_t n = dns_reply_end(&b, DNS_EDE_BLOCKED, "not in the policy");
	MUST(n >= 12 + q->question.n && n <= max);
	if (q->name.len == 0)
		return;
	MUST(dns_answer_parse(buf, n, q->id, &q->name, q->type, &answer) == WIRE_OK);
	MUST(answer.rcode == DNS_NOERROR && !answer.truncated);
	if (q->type == DNS_TYPE_A || q->type == DNS_TYPE_AAAA)
		MUST(answer.n_addrs == 1 && answer.ttl_s == 60);
	MUST(dns_answer_parse(buf, n, q->id ^ 1, &q->name, q->type, &answer) == WIRE_BAD);

	n = dns_query_build(query, sizeof(query), q->id, &q->name, q->type);
	struct dns_query again;
	MUST(n > 0 && dns_query_parse(query, n, &again, &rcode) == WIRE_OK);
	MUST(name_equal(&again.name, &q->name) && again.type == q->type && again.edns);
}

static void fuzz_query(const uint8_t *data, size_t n)
{
	uint8_t buf[512];
	struct dns_builder b;
	struct dns_query q;
	int rcode;

	enum wire_result r = dns_query_parse(data, n, &q, &rcode);
	MUST(r != WIRE_MORE && (r == WIRE_TRUNCATED) == (n < 12));
	MUST(strnlen(q.shown, sizeof(q.shown)) < sizeof(q.shown));
	for (const char *p = q.shown; *p; p++)
		MUST(*p > 0x20 && *p < 0x7f);
	if (r == WIRE_OK)
		reply_to(&q);
	if (r != WIRE_BAD)
		return;
	MUST(rcode == DNS_FORMERR || rcode == DNS_NOTIMP || rcode == DNS_REFUSED);
	dns_reply_begin(&b, buf, sizeof(buf), &q, rcode);
	MUST(dns_reply_end(&b, -1, NULL) >= 12);
}

/* The question that the message itself has is taken as the one asked. */
static void fuzz_answer(const uint8_t *data, size_t n)
{
	struct dns_query q;
	int rcode;
	uint8_t *copy;

	if (n < 12)
		return;
	copy = fuzz_copy(data, n);
	copy[2] &= 0x01;
	dns_query_parse(copy, n, &q, &rcode);
	copy[2] |= 0x80;
	if (q.name.len == 0)
		q.name = (struct name){.len = 1, .s = "x"};
	if (dns_answer_parse(copy, n, q.id, &q.name, q.type, &answer) == WIRE_OK) {
		MUST(answer.n_cnames <= DNS_ANSWER_MAX_CHAIN);
		MUST(answer.n_addrs <= DNS_ANSWER_MAX_ADDRS && answer.n_rdata <= 32);
		MUST(answer.n_addrs == 0 || q.type == DNS_TYPE_A || q.type == DNS_TYPE_AAAA);
		for (size_t i = 0; i < answer.n_rdata; i++)
			MUST(answer.rdata[i].p >= copy &&
			     answer.rdata[i].p + answer.rdata[i].n <= copy + n);
		for (size_t i = 0; i < answer.n_cnames; i++)
			MUST(answer.cnames[i].len > 0 && !name_equal(&answer.cnames[i], &q.name));
	}
	free(copy);
}

static void fuzz_svcb(const uint8_t *data, size_t n)
{
	uint8_t out[4096], twice[4096];
	struct name target, same;
	struct slice rdata = {data, n};

	size_t size = dns_svcb_sanitize(rdata, out, sizeof(out), &target);
	if (size == 0)
		return;
	MUST(size <= n);
	/* Clean means clean: a second pass changes nothing. */
	MUST(dns_svcb_sanitize((struct slice){out, size}, twice, sizeof(twice), &same) == size);
	MUST(memcmp(out, twice, size) == 0 && target.len == same.len);
	size_t at = 2;
	while (out[at])
		at += out[at] + 1u;
	for (at++; at < size; at += 4u + (size_t)(out[at + 2] << 8 | out[at + 3]))
		MUST(out[at] != 0 || (out[at + 1] != 4 && out[at + 1] != 5 && out[at + 1] != 6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *copy = fuzz_copy(data, n);

	fuzz_query(copy, n);
	fuzz_answer(copy, n);
	fuzz_svcb(copy, n);
	free(copy);
	return 0;
}
