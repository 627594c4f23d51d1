// SPDX-License-Identifier: GPL-2.0-or-later
/* Questions to name servers over real sockets of 127.0.0.1: forged answers teach nothing, silence
 * and refusals lead to the next server, cut answers to TCP. */
#include "tests/unit/lab/upstream_lab.h"

#include <errno.h>
#include <fcntl.h>

#define FOREVER 20000 /* ms: a test that hangs ends, and fails */

/* ---- what upstream asks for ---------------------------------------------- */

static void want_socket(void *arg, unsigned server, int type)
{
	struct lab *lab = arg;

	if (lab->n_wanted == ARRAY_SIZE(lab->wanted))
		return;
	lab->wanted[lab->n_wanted++] = (struct wanted){server, type};
	timer_set(lab->loop, &lab->socket_timer, loop_now_ms(lab->loop));
}

static void on_socket_timer(struct timer *t)
{
	struct lab *lab = t->arg;
	struct wanted all[ARRAY_SIZE(lab->wanted)];
	size_t n = lab->n_wanted;

	memcpy(all, lab->wanted, sizeof(all));
	lab->n_wanted = 0;
	for (size_t i = 0; i < n; i++)
		upstream_socket(
		    lab->upstream, all[i].server, all[i].type,
		    lab->no_sockets
			? -1
			: host_connect(geteuid(), &lab->server[all[i].server].at, all[i].type));
}

static void answer(void *arg, void *question, const struct dns_answer *a)
{
	struct asked *asked = question;
	struct lab *lab = arg;

	assert_ptr_equal(asked->lab, lab);
	asked->answers++;
	asked->none = !a;
	if (a)
		asked->answer = *a;
	asked->at_ms = loop_now_ms(lab->loop) - lab->begin_ms;
	if (++lab->n_done == lab->n_asked)
		loop_stop(lab->loop);
}

static void spoofed(void *arg, const struct name *name, uint16_t type)
{
	((struct lab *)arg)->n_spoofed++;
}

/* ---- life of the lab ----------------------------------------------------- */

static void on_deadline(struct timer *t)
{
	loop_stop(((struct lab *)t->arg)->loop);
}

static void server_begin(struct lab *lab, struct server *s)
{
	struct dns_sockets sockets;
	struct err e;

	assert_int_equal(host_dns_sockets(geteuid(), &sockets, &e), 0);
	s->lab = lab;
	s->at = (struct name_server){{4, {127, 0, 0, 1}}, sockets.port};
	s->udp = (struct watch){.fd = steal_fd(&sockets.udp4), .fn = on_udp, .arg = s};
	s->tcp = (struct watch){.fd = steal_fd(&sockets.tcp4), .fn = on_accept, .arg = s};
	s->timer = (struct timer){.fn = on_piece, .arg = s};
	host_dns_sockets_close(&sockets);
	assert_int_equal(loop_add(lab->loop, &s->udp, EPOLLIN), 0);
	assert_int_equal(loop_add(lab->loop, &s->tcp, EPOLLIN), 0);
}

static int begin(void **state, size_t n_servers)
{
	static const struct upstream_ops ops = {
	    .want_socket = want_socket, .answer = answer, .spoofed = spoofed};
	static struct lab lab;

	lab = (struct lab){.share.max = 10000};
	assert_int_equal(loop_new(&lab.loop), 0);
	for (size_t i = 0; i < SERVERS; i++)
		server_begin(&lab, &lab.server[i]);
	lab.socket_timer = (struct timer){.fn = on_socket_timer, .arg = &lab};
	lab.deadline = (struct timer){.fn = on_deadline, .arg = &lab};
	assert_int_equal(
	    upstream_new(lab.loop, n_servers, &ops, &lab, &lab.share, NULL, &lab.upstream), 0);
	*state = &lab;
	return 0;
}

static int one_server(void **state)
{
	return begin(state, 1);
}

static int two_servers(void **state)
{
	return begin(state, 2);
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	upstream_free(lab->upstream);
	for (size_t i = 0; i < SERVERS; i++) {
		struct server *s = &lab->server[i];

		if (s->connection.active)
			close(s->connection.fd);
		close(s->udp.fd);
		close(s->tcp.fd);
	}
	loop_free(lab->loop);
	return 0;
}

static struct asked *ask(struct lab *lab, const char *text)
{
	struct asked *a = &lab->asked[lab->n_asked++];
	struct name name;

	a->lab = lab;
	assert_true(name_canon(text, strlen(text), &name));
	assert_int_equal(upstream_ask(lab->upstream, &name, A, a), 0);
	return a;
}

/* Until every question has been answered once. */
static void run(struct lab *lab)
{
	lab->begin_ms = loop_now_ms(lab->loop);
	assert_int_equal(timer_set(lab->loop, &lab->deadline, lab->begin_ms + FOREVER), 0);
	assert_int_equal(loop_run(lab->loop), 0);
	assert_int_equal(lab->n_done, lab->n_asked);
	for (size_t i = 0; i < lab->n_asked; i++)
		assert_int_equal(lab->asked[i].answers, 1);
}

#define FAST(a) assert_in_range((a)->at_ms, 0, 900)

/* ---- tests --------------------------------------------------------------- */

static void forgeries_teach_nothing(void **state)
{
	struct lab *lab = *state;
	const struct asked *a = ask(lab, "good.example");

	run(lab);
	assert_false(a->none);
	assert_int_equal(a->answer.n_addrs, 1);
	assert_memory_equal(a->answer.addrs[0], "\1\2\3\4", 4);
	assert_int_equal(a->answer.ttl_s, 77);
	assert_int_equal(lab->n_spoofed, 1); /* told once a question */
	assert_int_equal(lab->server[0].n_udp, 1);
	FAST(a);
}

static void a_flood_of_forgeries_moves_on(void **state)
{
	struct lab *lab = *state;
	const struct asked *a = ask(lab, "flood.example");

	run(lab);
	assert_false(a->none);
	assert_int_equal(lab->server[1].n_udp, 1);
	assert_int_equal(lab->n_spoofed, 1);
	FAST(a);
}

static void ids_and_ports_are_fresh(void **state)
{
	struct lab *lab = *state;
	const struct server *s = &lab->server[0];
	unsigned same_ids = 0, same_ports = 0, in_row = 0;

	for (int i = 0; i < ASKED; i++)
		ask(lab, "fresh.example");
	run(lab);
	assert_int_equal(s->n_udp, ASKED);
	for (int i = 1; i < ASKED; i++) {
		same_ids += s->ids[i] == s->ids[0];
		in_row += (uint16_t)(s->ids[i - 1] + 1) == s->ids[i];
		same_ports += s->ports[i] == s->ports[0];
	}
	assert_in_range(same_ids, 0, 1);
	assert_in_range(in_row, 0, 1);
	assert_in_range(same_ports, 0, 1);
	/* One question, recursion wanted, EDNS with no options, and nothing else. */
	assert_memory_equal(s->q.b + 2, "\1\0\0\1\0\0\0\0\0\1", 10);
	assert_memory_equal(s->q.b + 12, "\5fresh\7example\0\0\1\0\1\0\0\x29\x04\xd0\0\0\0\0\0\0",
			    30);
	assert_int_equal(s->q.n, 42);
}

static void silence(void **state)
{
	struct lab *lab = *state;
	const struct asked *late = ask(lab, "late.example"), *never = ask(lab, "silent.example");

	run(lab);
	assert_false(late->none);
	assert_in_range(late->at_ms, 1000, 2000);
	assert_true(never->none);
	assert_in_range(never->at_ms, 3000, 5000);
	assert_int_equal(lab->server[0].n_udp, 3);
	assert_int_equal(lab->server[1].n_udp, 2);
	assert_int_equal(lab->n_spoofed, 0);
}

static void nobody_there(void **state)
{
	struct lab *lab = *state;
	const struct asked *a = ask(lab, "good.example");

	loop_del(lab->loop, &lab->server[0].udp);
	close(lab->server[0].udp.fd);
	lab->server[0].udp.fd = -1;
	run(lab);
	assert_true(a->none);
	FAST(a);
}

static void no_socket_to_be_had(void **state)
{
	struct lab *lab = *state;
	const struct asked *a = ask(lab, "good.example");

	lab->no_sockets = true;
	run(lab);
	assert_true(a->none);
	FAST(a);
	assert_int_equal(lab->server[0].n_udp, 0);
}

static void a_server_that_will_not(void **state)
{
	struct lab *lab = *state;
	const struct asked *other = ask(lab, "other.example"), *all = ask(lab, "refused.example");

	run(lab);
	assert_false(other->none);
	assert_int_equal(other->answer.rcode, DNS_NOERROR);
	assert_false(all->none);
	assert_int_equal(all->answer.rcode, DNS_REFUSED);
	assert_int_equal(lab->n_spoofed, 0);
	FAST(all);
}

static void cut_answers_come_by_tcp(void **state)
{
	struct lab *lab = *state;
	const struct asked *a = ask(lab, "cut.example");

	run(lab);
	assert_false(a->none);
	assert_int_equal(a->answer.n_addrs, 100);
	assert_memory_equal(a->answer.addrs[99], "\1\2\4\x63", 4);
	assert_int_equal(lab->server[0].n_udp, 1);
	assert_int_equal(lab->server[0].n_tcp, 1);
	assert_int_equal(lab->n_spoofed, 0);
}

static void check_tcp_fails(struct lab *lab, const char *name, unsigned n_spoofed)
{
	const struct asked *a = ask(lab, name);

	run(lab);
	assert_true(a->none);
	assert_int_equal(lab->server[0].n_udp, 3);
	assert_int_equal(lab->server[0].n_tcp, 3);
	assert_int_equal(lab->n_spoofed, n_spoofed);
	FAST(a);
}

static void tcp_that_ends_early(void **state)
{
	check_tcp_fails(*state, "cut-short.example", 0);
}

static void tcp_message_of_no_bytes(void **state)
{
	check_tcp_fails(*state, "cut-empty.example", 0);
}

static void tcp_with_another_id(void **state)
{
	check_tcp_fails(*state, "cut-forged.example", 1);
}

static void a_socket_that_nobody_waits_for(void **state)
{
	struct lab *lab = *state;
	int fd = host_connect(geteuid(), &lab->server[0].at, SOCK_DGRAM), other = dup(fd);

	ask(lab, "good.example");
	upstream_socket(lab->upstream, 0, SOCK_STREAM, fd); /* waits for SOCK_DGRAM */
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	upstream_socket(lab->upstream, 1, SOCK_DGRAM, other); /* and for server 0 */
	assert_int_equal(fcntl(other, F_GETFD), -1);
	upstream_socket(lab->upstream, 1, SOCK_DGRAM, -1);
	run(lab);
	assert_false(lab->asked[0].none);
}

/* A server is not asked more at once than its socket may hold. */
static void many_are_asked_in_turn(void **state)
{
	struct lab *lab = *state;

	for (int i = 0; i < MANY; i++)
		ask(lab, "fresh.example");
	run(lab);
	assert_int_equal(lab->server[0].n_udp, MANY);
	for (int i = 0; i < MANY; i++) {
		assert_false(lab->asked[i].none);
		FAST(&lab->asked[i]);
	}
}

static void in_the_first_second(struct timer *t)
{
	struct lab *lab = t->arg;

	assert_int_equal(lab->server[0].n_udp, 256);
	assert_int_equal(lab->n_done, 0);
}

static void many_that_are_not_answered(void **state)
{
	struct lab *lab = *state;
	struct timer look = {.fn = in_the_first_second, .arg = lab};

	for (int i = 0; i < MANY; i++)
		ask(lab, "silent.example");
	timer_set(lab->loop, &look, loop_now_ms(lab->loop) + 900);
	run(lab);
	for (int i = 0; i < MANY; i++) {
		assert_true(lab->asked[i].none);
		assert_in_range(lab->asked[i].at_ms, 2000, 5000);
	}
}

static void sockets_are_left_to_others(void **state)
{
	struct lab *lab = *state;

	lab->share = (struct upstream_share){.n = 4, .max = 10};
	for (int i = 0; i < 9; i++)
		ask(lab, "silent.example");
	assert_int_equal(lab->n_wanted, 3);
	assert_int_equal(lab->share.n, 7);
	run(lab);
	assert_int_equal(lab->share.n, 4);
}

static void bounded(void **state)
{
	struct lab *lab = *state;
	struct name name;
	unsigned n = 0;
	int r;

	assert_true(name_canon("a.example", 9, &name));
	lab->asked[0].lab = lab;
	while ((r = upstream_ask(lab->upstream, &name, A, lab->asked)) == 0 && n < 100000)
		n++;
	assert_int_equal(r, -EAGAIN);
	assert_in_range(n, 1024, 99999);
	assert_int_equal(lab->asked[0].answers, 0); /* nor when they are dropped, by teardown */
}

static int no_servers(void **state)
{
	return begin(state, 0);
}

static void nobody_to_ask(void **state)
{
	struct lab *lab = *state;
	struct name name;

	assert_true(name_canon("a.example", 9, &name));
	assert_int_equal(upstream_ask(lab->upstream, &name, A, NULL), -EAGAIN);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, one_server, teardown)
#define TWO(test) cmocka_unit_test_setup_teardown(test, two_servers, teardown)
	const struct CMUnitTest tests[] = {
	    ONE(forgeries_teach_nothing),
	    TWO(a_flood_of_forgeries_moves_on),
	    ONE(ids_and_ports_are_fresh),
	    TWO(silence),
	    ONE(nobody_there),
	    ONE(no_socket_to_be_had),
	    TWO(a_server_that_will_not),
	    ONE(cut_answers_come_by_tcp),
	    ONE(tcp_that_ends_early),
	    ONE(tcp_message_of_no_bytes),
	    ONE(tcp_with_another_id),
	    TWO(a_socket_that_nobody_waits_for),
	    ONE(many_are_asked_in_turn),
	    ONE(many_that_are_not_answered),
	    ONE(sockets_are_left_to_others),
	    ONE(bounded),
	    cmocka_unit_test_setup_teardown(nobody_to_ask, no_servers, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
