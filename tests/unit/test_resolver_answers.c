// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers of name servers: which addresses a name may have, chains, times to live, failures; and
 * that nothing else is learned. */
#include "tests/unit/lab/resolver_lab.h"

static void names_may_not_point_inside(void **state)
{
	struct lab *lab = *state;
	static const struct {
		const char *name;
		unsigned type;
		const char *addr;
	} cases[] = {
	    {"127-0-0-1.ok.example", A, "127.0.0.1"},
	    {"0-0-0-0.ok.example", A, "0.0.0.0"},
	    {"169-254-169-254.ok.example", A, "169.254.169.254"},
	    {"100-100-100-200.ok.example", A, "100.100.100.200"},
	    {"10-0-0-1.ok.example", A, "10.0.0.1"},
	    {"192-168-1-1.ok.example", A, "192.168.1.1"},
	    {"224-0-0-251.ok.example", A, "224.0.0.251"},
	    {"8-8-4-4.ok.example", A, "8.8.4.4"},         /* this host's own */
	    {"203-0-113-5.ok.example", A, "203.0.113.5"}, /* a deny rule */
	    {"xx1.ok.example", AAAA, "::1"},
	    {"fe80xx1.ok.example", AAAA, "fe80::1"},
	    {"fd00xec2xx254.ok.example", AAAA, "fd00:ec2::254"},
	    {"64xff9bxxa00x1.ok.example", AAAA, "64:ff9b::a00:1"},
	    {"64xff9bxx808x404.ok.example", AAAA, "64:ff9b::808:404"},
	    {"2002x7f00x1xx.ok.example", AAAA, "2002:7f00:1::"},
	    {"mapped.ok.example", AAAA, "1.2.3.4"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct reply *r = ask(lab, cases[i].name, cases[i].type);

		assert_int_equal(r->rcode, REFUSED);
		assert_int_equal(r->n, 0);
		assert_int_equal(r->ede, EDE_FILTERED);
		assert_non_null(strstr(r->text, cases[i].addr));
	}
	lab_end(lab);
	assert_int_equal(lab->n_learned, 0);
	assert_int_equal(lab->n_denied, ARRAY_SIZE(cases));
	for (size_t i = 0; i < lab->n_denied; i++) {
		char text[ADDR_STRLEN];

		assert_int_equal(lab->denied[i].code, DENIED_DNS_REBIND);
		assert_string_equal(addr_format(&lab->denied[i].dst, text), cases[i].addr);
	}
}

static void addresses_that_a_name_may_have(void **state)
{
	struct lab *lab = *state;

	assert_string_equal(ask(lab, "db.example", A)->addr[0], "10.1.1.1");
	assert_string_equal(ask(lab, "1-2-3-4.ok.example", A)->addr[0], "1.2.3.4");
	assert_string_equal(ask(lab, "2600xx1.ok.example", AAAA)->addr[0], "2600::1");
	assert_string_equal(ask(lab, "2002x102x304xx.ok.example", AAAA)->addr[0], "2002:102:304::");
	lab_end(lab);
	assert_int_equal(lab->n_denied, 0);
	assert_int_equal(lab->n_learned, 4);
	assert_string_equal(lab->learned[0].name, "db.example");
	assert_string_equal(lab->learned[0].addr, "10.1.1.1");
	assert_int_equal(lab->learned[0].ttl_s, 3000);
	assert_false(lab->learned[0].plain); /* one entry's `addresses:` has it */
	for (size_t i = 1; i < 4; i++)
		assert_true(lab->learned[i].plain);
}

static void chains_are_followed_and_not_shown(void **state)
{
	struct lab *lab = *state;
	const struct reply *r = ask(lab, "chain.ok.example", A);

	assert_int_equal(r->n, 1);
	assert_string_equal(r->addr[0], "1.2.3.4");
	assert_int_equal(r->ttl_s, 40); /* the least of the chain */
	r = ask(lab, "unrelated.ok.example", A);
	assert_int_equal(r->n, 1);
	assert_string_equal(r->addr[0], "1.2.3.4");
	lab_end(lab);
	assert_int_equal(lab->n_learned, 2);
	assert_string_equal(lab->learned[0].name, "chain.ok.example");
	assert_string_equal(lab->learned[1].name, "unrelated.ok.example");
	assert_string_equal(lab->learned[1].addr, "1.2.3.4");
}

static void a_loop_of_names_is_a_failure(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(ask(lab, "loop.ok.example", A)->rcode, SERVFAIL);
	lab_end(lab);
	assert_int_equal(lab->n_learned, 0);
	assert_int_equal(lab->n_denied, 1);
	assert_int_equal(lab->denied[0].code, DENIED_DNS_SPOOFED);
}

static void answers_are_kept_for_their_ttl(void **state)
{
	struct lab *lab = *state;

	assert_in_range(ask(lab, "1-2-3-4.ok.example", A)->ttl_s, 2999, 3000);
	assert_in_range(ask(lab, "1-2-3-4.OK.example", A)->ttl_s, 2980, 3000);
	assert_in_range(ask(lab, "long.ok.example", A)->ttl_s, 3599, 3600);
	for (int i = 0; i < 2; i++) {
		const struct reply *r = ask(lab, "zero.ok.example", A);

		assert_int_equal(r->n, 1);
		assert_int_equal(r->ttl_s, 0);
	}
	lab_end(lab);
	assert_int_equal(lab->n_served, 4);
	assert_int_equal(lab->n_learned, 4); /* what came from the cache is known */
}

/* An answer of hundreds of addresses is not learned anew for everybody who asks. */
static void cached_answers_are_learned_once(void **state)
{
	struct lab *lab = *state;

	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(lab, "1-2-3-4.ok.example", A)->n, 1);
	lab->forgotten = 1; /* a pair had to make room: it may be this one */
	for (int i = 0; i < 5; i++)
		assert_int_equal(ask(lab, "1-2-3-4.ok.example", A)->n, 1);
	lab_end(lab);
	assert_int_equal(lab->n_served, 1);
	assert_int_equal(lab->n_learned, 2);
}

static void failures(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(ask(lab, "nx.ok.example", A)->rcode, NXDOMAIN);
	assert_int_equal(ask(lab, "fail.ok.example", A)->rcode, SERVFAIL);
	assert_int_equal(ask(lab, "fail.ok.example", A)->rcode, SERVFAIL); /* remembered */
	lab_end(lab);
	assert_int_equal(lab->n_served, 2);
	assert_int_equal(lab->n_denied, 0);
	assert_int_equal(lab->n_learned, 0);
}

static void https_records_lose_their_hints(void **state)
{
	struct lab *lab = *state;
	const struct reply *r = ask(lab, "h.ok.example", HTTPS);

	assert_int_equal(r->n, 1);
	/* Priority, the root as target, alpn; no ipv4hint. The OPT is behind it. */
	assert_memory_equal(r->m.b + r->m.n - 11 - 12, "\0\x0a\0\1\0\0\1\0\3\2h2", 12);
	lab_end(lab);
	assert_int_equal(lab->n_learned, 0);
}

int main(void)
{
#define LAB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    LAB(names_may_not_point_inside),
	    LAB(addresses_that_a_name_may_have),
	    LAB(cached_answers_are_learned_once),
	    LAB(chains_are_followed_and_not_shown),
	    LAB(a_loop_of_names_is_a_failure),
	    LAB(answers_are_kept_for_their_ttl),
	    LAB(failures),
	    LAB(https_records_lose_their_hints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
