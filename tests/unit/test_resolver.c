// SPDX-License-Identifier: GPL-2.0-or-later
/* Queries of clients: what is refused and how it is told, what is answered without asking anybody,
 * UDP and TCP, audit mode. */
#include <netinet/tcp.h>

#include "tests/unit/lab/resolver_lab.h"

static void a_refused_name_is_told_why(void **state)
{
	struct lab *lab = *state;
	const struct reply *r = ask(lab, "Secret-42.EVIL.example", A);
	struct reply plain;
	struct msg q;

	assert_int_equal(r->rcode, REFUSED);
	assert_int_equal(r->ede, EDE_BLOCKED);
	assert_non_null(strstr(r->text, "no rule allows secret-42.evil.example"));
	r = ask(lab, "bad.ok.example", TXT);
	assert_int_equal(r->rcode, REFUSED);
	assert_non_null(strstr(r->text, "a deny rule forbids bad.ok.example"));
	assert_int_equal(ask(lab, "ok.example", A)->rcode, REFUSED); /* *. is not the name itself */
	msg_header(&q, 1, 0x0110, 1, 0, 0);
	msg_question(&q, "evil.example", AAAA, 1);
	ask_msg(lab, &q, &plain); /* without EDNS there is no place to say it */
	assert_int_equal(plain.rcode, REFUSED);
	assert_int_equal(plain.flags, 0x8190);
	assert_int_equal(plain.m.n, q.n);
	lab_end(lab);
	assert_int_equal(lab->n_served, 0);
	assert_int_equal(lab->n_denied, 4);
	assert_int_equal(lab->denied[0].code, DENIED_DNS_NAME);
	assert_string_equal(lab->denied[0].name, "secret-42.evil.example");
	assert_int_equal(lab->denied[0].fence, 7);
	assert_int_equal(lab->denied[0].would, 0);
	assert_int_equal(lab->denied[0].src.b[0], 127);
	assert_int_equal(lab->denied[1].code, DENIED_BY_RULE);
	assert_int_equal(lab->denied[1].qtype, TXT);
	assert_int_not_equal(lab->denied[1].rule, RULE_NONE);
}

static void what_is_no_query_gets_an_error(void **state)
{
	struct lab *lab = *state;
	static const struct {
		unsigned flags, questions, answers, class, trailing, want;
	} cases[] = {
	    {0x8100, 1, 0, 1, 0, FORMERR}, /* QR */
	    {0x0900, 1, 0, 1, 0, NOTIMP},  /* opcode 1, 4, 5 */
	    {0x2100, 1, 0, 1, 0, NOTIMP},      {0x2900, 1, 0, 1, 0, NOTIMP},
	    {0x0100, 0, 0, 1, 0, FORMERR},     {0x0100, 2, 0, 1, 0, FORMERR},
	    {0x0100, 65535, 0, 1, 0, FORMERR}, {0x0100, 1, 1, 1, 0, FORMERR},
	    {0x0100, 1, 0, 3, 0, REFUSED}, /* CHAOS, ANY */
	    {0x0100, 1, 0, 255, 0, REFUSED},   {0x0100, 1, 0, 1, 1, FORMERR},
	    {0x0300, 1, 0, 1, 0, FORMERR}, /* TC */
	};
	struct reply r;
	struct msg q;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		msg_header(&q, (unsigned)i, cases[i].flags, cases[i].questions, cases[i].answers,
			   0);
		msg_question(&q, "1-2-3-4.ok.example", A, cases[i].class);
		if (cases[i].questions == 2)
			msg_question(&q, "1-2-3-4.ok.example", A, 1);
		msg_put(&q, "x", cases[i].trailing);
		ask_msg(lab, &q, &r);
		assert_int_equal(r.id, i);
		assert_int_equal(r.rcode, cases[i].want);
		assert_int_equal(r.n, 0);
		assert_true(r.flags & 0x8000);
	}
	/* Queries too short for a header get no answer; the next answer is to the next query. */
	assert_int_equal(send(lab->client, q.b, 11, 0), 11);
	assert_int_equal(ask(lab, "1-2-3-4.ok.example", A)->n, 1);
	lab_end(lab);
	assert_int_equal(lab->n_served, 1);
	assert_int_equal(lab->n_denied, ARRAY_SIZE(cases) + 1);
	for (size_t i = 0; i < lab->n_denied; i++)
		assert_int_equal(lab->denied[i].code, DENIED_DNS_MALFORMED);
}

static void labels_that_only_look_allowed(void **state)
{
	struct lab *lab = *state;
	static const struct {
		const char *wire;
		size_t n;
		const char *shown;
	} cases[] = {
	    {"\4a.ok\7example", 14, "a\\.ok.example"},
	    {"\6evil\0x\2ok\7example", 19, "evil\\000x.ok.example"},
	    {"\1\xe9\2ok\7example", 14, "\\233.ok.example"},
	    {"", 1, "."},
	};
	struct reply r;
	struct msg q;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		msg_header(&q, 1, 0x0100, 1, 0, 0);
		msg_put(&q, cases[i].wire, cases[i].n);
		msg_u16(&q, A);
		msg_u16(&q, 1);
		ask_msg(lab, &q, &r);
		assert_int_equal(r.rcode, REFUSED);
	}
	lab_end(lab);
	assert_int_equal(lab->n_served, 0);
	assert_int_equal(lab->n_denied, ARRAY_SIZE(cases));
	for (size_t i = 0; i < lab->n_denied; i++)
		assert_string_equal(lab->denied[i].name, cases[i].shown);
}

static void other_types_are_empty(void **state)
{
	struct lab *lab = *state;
	static const unsigned types[] = {2, 5, 6, 10, PTR, 15, TXT, 33, 252, 255, 65280};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct reply *r = ask(lab, "1-2-3-4.ok.example", types[i]);

		assert_int_equal(r->rcode, NOERROR);
		assert_int_equal(r->n, 0);
	}
	assert_int_equal(ask(lab, "localhost", A)->n, 1);
	assert_string_equal(ask(lab, "x.localhost", AAAA)->addr[0], "::1");
	assert_int_equal(ask(lab, "9.9.9.9.in-addr.arpa", PTR)->rcode, NXDOMAIN);
	assert_int_equal(ask(lab, "data.9.9.9.9.in-addr.arpa", PTR)->rcode, REFUSED);
	assert_int_equal(ask(lab, "9.9.9.9.in-addr.arpa", A)->rcode, REFUSED);
	lab_end(lab);
	assert_int_equal(lab->n_served, 0);
	assert_int_equal(lab->n_learned, 0);
}

static void pins(void **state)
{
	struct lab *lab = *state;
	const struct reply *r = ask(lab, "PIN.example", A);

	assert_int_equal(r->n, 1);
	assert_string_equal(r->addr[0], "10.9.8.7");
	assert_int_equal(r->ttl_s, 60);
	assert_string_equal(ask(lab, "pin.example", AAAA)->addr[0], "fd00::7");
	r = ask(lab, "pin.example", HTTPS);
	assert_int_equal(r->rcode, NOERROR);
	assert_int_equal(r->n, 0);
	assert_int_equal(ask(lab, "lost.example", A)->rcode, REFUSED); /* pinned, not allowed */
	lab_end(lab);
	assert_int_equal(lab->n_served, 0);
	assert_int_equal(lab->n_learned, 2);
	assert_string_equal(lab->learned[0].name, "pin.example");
	assert_string_equal(lab->learned[0].addr, "10.9.8.7");
	assert_string_equal(lab->learned[1].addr, "fd00::7");
}

static void each_client_gets_its_own_case_and_id(void **state)
{
	struct lab *lab = *state;
	struct msg q[2];
	unsigned seen = 0;

	query(&q[0], 1, "1-2-3-5.Ok.exAmple", A);
	query(&q[1], 2, "1-2-3-5.oK.eXample", A);
	for (int i = 0; i < 2; i++)
		assert_int_equal(send(lab->client, q[i].b, q[i].n, 0), q[i].n);
	for (int i = 0; i < 2; i++) {
		struct msg m;

		assert_true(recv(lab->client, m.b, sizeof(m.b), 0) > (ssize_t)q[0].n - 11);
		assert_in_range(m.b[1], 1, 2);
		assert_memory_equal(m.b + 12, q[m.b[1] - 1].b + 12, q[0].n - 11 - 12);
		seen |= m.b[1];
	}
	assert_int_equal(seen, 3);
}

static void tcp_one_byte_at_a_time(void **state)
{
	struct lab *lab = *state;
	struct timeval tv = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&lab->at.addr, lab->at.port, &ss);
	struct msg q, both = {0};
	struct reply r;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	for (int i = 0; i < 2; i++) {
		msg_header(&q, (unsigned)i, 0x0100, 1, 0, 0);
		msg_question(&q, i ? "evil.example" : "many.ok.example", A, 1);
		msg_u16(&both, (unsigned)q.n);
		msg_put(&both, q.b, q.n);
	}
	for (size_t i = 0; i < both.n; i++)
		assert_int_equal(send(fd, both.b + i, 1, 0), 1);
	for (int i = 0; i < 2; i++) {
		uint8_t size[2];

		assert_int_equal(recv(fd, size, 2, MSG_WAITALL), 2);
		r.m.n = (size_t)size[0] << 8 | size[1];
		assert_true(r.m.n <= sizeof(r.m.b));
		assert_int_equal(recv(fd, r.m.b, r.m.n, MSG_WAITALL), r.m.n);
		read_reply(&r);
		assert_int_equal(r.rcode, r.id ? REFUSED : NOERROR);
		assert_int_equal(r.n, r.id ? 0 : 60);
	}
	close(fd);
	/* The same by UDP is cut to what the client can take. */
	msg_header(&q, 9, 0x0100, 1, 0, 0);
	msg_question(&q, "many.ok.example", A, 1);
	ask_msg(lab, &q, &r);
	assert_int_equal(r.flags & 0x0200, 0x0200);
	assert_int_equal(r.n, 0);
	lab_end(lab);
	assert_int_equal(lab->denied[0].l4proto, IPPROTO_TCP);
}

static void refusals_that_nobody_releases_go_out(void **state)
{
	struct lab *lab = *state;
	struct msg q;
	uint8_t seen[200] = {0}, m[600];

	lab->go = 5;
	for (unsigned i = 0; i < sizeof(seen); i++) {
		if (i == 30)
			usleep(5000); /* the first ones are due before these */
		query(&q, i, "evil.example", A);
		assert_int_equal(send(lab->client, q.b, q.n, 0), q.n);
	}
	for (size_t i = 0; i < sizeof(seen); i++) {
		assert_true(recv(lab->client, m, sizeof(m), 0) > 12);
		assert_int_equal(m[3] & 15, REFUSED);
		assert_in_range(m[1], 0, sizeof(seen) - 1);
		assert_int_equal(seen[m[1]]++, 0);
	}
}

static void audit_answers_and_says_so(void **state)
{
	struct lab *lab = *state;

	assert_string_equal(ask(lab, "1-2-3-4.evil.example", A)->addr[0], "1.2.3.4");
	assert_string_equal(ask(lab, "10-0-0-1.ok.example", A)->addr[0], "10.0.0.1");
	assert_string_equal(ask(lab, "10-0-0-2.evil.example", A)->addr[0], "10.0.0.2");
	assert_int_equal(ask(lab, "", A)->rcode, REFUSED); /* the root is no name to ask for */
	assert_int_equal(ask(lab, "mapped.ok.example", AAAA)->n, 0); /* answered, with nothing */
	lab_end(lab);
	assert_int_equal(lab->n_learned, 3);
	assert_int_equal(lab->n_denied, 5);
	for (size_t i = 0; i < lab->n_denied; i++)
		assert_int_equal(lab->denied[i].would, 1);
	assert_int_equal(lab->denied[0].code, DENIED_DNS_NAME);
	assert_int_equal(lab->denied[1].code, DENIED_DNS_REBIND);
}

int main(void)
{
#define LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    LAB(a_refused_name_is_told_why),
	    LAB(what_is_no_query_gets_an_error),
	    LAB(labels_that_only_look_allowed),
	    LAB(other_types_are_empty),
	    LAB(pins),
	    LAB(each_client_gets_its_own_case_and_id),
	    LAB(tcp_one_byte_at_a_time),
	    LAB(refusals_that_nobody_releases_go_out),
	    cmocka_unit_test_setup_teardown(audit_answers_and_says_so, setup_audit, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
