// SPDX-License-Identifier: GPL-2.0-or-later
/* Clients of agentfwd's control socket.
 *
 *     hostile_client root SEED SECONDS SOCKET DIR      may speak, and says random things
 *     hostile_client nobody SEED SECONDS SOCKET DIR    may not: it is not root
 *     hostile_client fenced SEED SECONDS SOCKET DIR    may not: it is root, and in a fence
 *     hostile_client honest SEED SECONDS SOCKET DIR    makes fences and ends them, one after the other
 *
 * HOSTILE_BOARD: see board.h. Exit status 1: somebody was answered who may not speak; 2: a test of its own failed. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "policy/base/clock.h"
#include "policy/policy.h"
#include "tests/lab/hostile/client.h"

#define NOBODY    65534
#define WAIT_MS   5
#define ANSWER_MS 45000
#define FENCED_MS 400

static const char *const policies[POLICIES] = {
    "version: 1\negress: []\ndns: {servers: [\"203.0.113.53\"]}\n",
    "version: 1\negress: [\"https://api.allowed.test\", \"tcp://203.0.113.30:9000\", "
    "\"*.cdn.test\"]\n"
    "deny: [\"203.0.113.31\"]\ndns: {servers: [\"203.0.113.53\", \"[2001:db8::53]:5353\"]}\n",
    "version: 1\nmode: audit\negress: [\"http://a.test\", \"udp://b.test:9999\", "
    "\"localhost:11434\"]\n"
    "ingress:\n  - {to: \"0.0.0.0/0:7000\", from: [203.0.113.10], broad: true}\n",
};

static int fail(const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int connect_to(const struct hostile_client *h)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const void *)&h->to, sizeof(h->to)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- random ---------------------------------------------------------------------------------- */

static void play(struct hostile_client *h, uint64_t until_ms)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		client_open(&h->c[i], -1);
	while (clock_mono_ms() < until_ms) {
		struct connection *c = &h->c[below(&h->d, CONNECTIONS)];

		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (c->fd < 0 && (c->fd = connect_to(h)) < 0) {
			usleep(1000);
			continue;
		}
		for (size_t n = 1 + below(&h->d, 6); n && c->fd >= 0; n--) {
			client_step(h, c);
			if (one_in(&h->d, 3))
				poll(&(struct pollfd){.fd = c->fd, .events = POLLIN},
				     c->slow ? 0 : 1, WAIT_MS);
			if (!c->slow)
				client_read(h, c);
		}
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		client_close(h, &h->c[i]);
}

/* ---- honest ---------------------------------------------------------------------------------- */

/* One answer of this type. 0: there was an error instead; -1: nothing, or the end. */
static int answered(struct hostile_client *h, int fd, enum ctl_type type, void *ret, size_t bytes)
{
	static union {
		struct ctl_head head;
		struct ctl_error error;
		char bytes[CTL_MAX_MESSAGE];
	} m;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n = poll(&p, 1, ANSWER_MS) == 1 ? recv(fd, &m, sizeof(m), MSG_DONTWAIT) : -1;

	if (n < (ssize_t)sizeof(m.head))
		return -1;
	if (m.head.type == CTL_ERROR) {
		board_say(h->board, "%s: refused: %.80s", h->who, m.error.msg);
		return 0;
	}
	if (m.head.type != type || m.head.bytes != (size_t)n || (size_t)n > bytes)
		return -1;
	memcpy(ret, &m, (size_t)n);
	return 1;
}

/* 1: it is there, and *ret_fd holds it. */
static int make_fence(struct hostile_client *h, int *ret_fd, struct ctl_created *made)
{
	static struct ctl_log log;
	static struct ctl_create create;
	struct ctl_head head;
	int fds[CTL_FDS_MAX], r, fd = *ret_fd = connect_to(h);

	if (fd < 0)
		return -1;
	some_log(h, true, fds, log.path);
	log.head = (struct ctl_head){CTL_VERSION, CTL_LOG, sizeof(log)};
	log.flags = CTL_LOG_TAKEN;
	log.snaplen = 2048;
	client_send(fd, &log, sizeof(log), fds, 3);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	if ((r = answered(h, fd, CTL_LOG_OPEN, &head, sizeof(head))) != 1)
		return r;
	create.head = (struct ctl_head){CTL_VERSION, CTL_CREATE, sizeof(create)};
	snprintf(create.name, sizeof(create.name), "honest");
	snprintf(create.command, sizeof(create.command), "true");
	fds[0] = good_policy(&h->policy[below(&h->d, POLICIES)]);
	client_send(fd, &create, sizeof(create), fds, 1);
	close(fds[0]);
	return answered(h, fd, CTL_CREATED, made, sizeof(*made));
}

static void be_honest(struct hostile_client *h, uint64_t until_ms)
{
	static struct ctl_created made;
	static struct ctl_summary s;

	while (clock_mono_ms() < until_ms) {
		const struct ctl_head end = {CTL_VERSION, CTL_END, sizeof(end)};
		uint64_t begin = clock_mono_ms();
		int fd, r = make_fence(h, &fd, &made);

		if (r == 1 && !one_in(&h->d, 4)) {
			client_send(fd, &end, sizeof(end), NULL, 0);
			r = answered(h, fd, CTL_SUMMARY, &s, sizeof(s));
		}
		board_add(h->board, r == 1 ? BOARD_CREATED : BOARD_REFUSED);
		if (r < 0) {
			board_say(h->board, "%s: no answer", h->who);
			fprintf(stderr, "hostile: an honest client got no answer in %llu ms\n",
				(unsigned long long)(clock_mono_ms() - begin));
			exit(1);
		}
		if (fd >= 0)
			close(fd);
	}
}

/* ---- in a fence ------------------------------------------------------------------------------ */

static void play_fenced(struct hostile_client *h, const char *cgroup)
{
	char path[CTL_PATH_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		exit(0); /* it has ended meanwhile */
	close(fd);
	h->may_speak = false;
	play(h, clock_mono_ms() + FENCED_MS);
	exit(0);
}

static void be_fenced(struct hostile_client *h, uint64_t until_ms)
{
	static struct ctl_created made;

	while (clock_mono_ms() < until_ms) {
		int fd, status = 0;
		pid_t child;

		if (make_fence(h, &fd, &made) != 1)
			fail("a fence");
		child = fork();
		if (child == 0) {
			close(fd);
			play_fenced(h, made.cgroup);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0)
			fail("a child");
		roll(&h->d);
		close(fd);
		if (WIFEXITED(status) && WEXITSTATUS(status))
			exit(WEXITSTATUS(status));
	}
}

/* ---- beginning ------------------------------------------------------------------------------- */

static void compile(struct hostile_client *h)
{
	for (size_t i = 0; i < POLICIES; i++) {
		struct diags d;

		if (policy_compile("/hostile.yaml", policies[i], strlen(policies[i]), &d,
				   &h->policy[i].bytes, &h->policy[i].n) < 0) {
			fprintf(stderr, "hostile: policy %zu: %s\n", i, d.n ? d.list[0].msg : "");
			exit(2);
		}
		diags_done(&d);
	}
}

static void become_nobody(const char *dir)
{
	if (chown(dir, NOBODY, NOBODY) < 0 || setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 ||
	    setuid(NOBODY) < 0)
		fail("nobody");
}

int main(int argc, char **argv)
{
	static struct hostile_client h = {.to = {.sun_family = AF_UNIX}};
	uint64_t until;

	if (argc != 6)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	h.board = board_open();
	h.who = argv[1];
	h.d = dice_of(strtoull(argv[2], NULL, 10), 0);
	h.dir = argv[5];
	until = clock_mono_ms() + strtoull(argv[3], NULL, 10) * 1000;
	snprintf(h.to.sun_path, sizeof(h.to.sun_path), "%s", argv[4]);
	compile(&h);
	if (mkdir(h.dir, 0700) < 0 && errno != EEXIST)
		fail(h.dir);
	h.may_speak = strcmp(h.who, "nobody") != 0;
	if (!h.may_speak)
		become_nobody(h.dir);
	if (strcmp(h.who, "honest") == 0)
		be_honest(&h, until);
	else if (strcmp(h.who, "fenced") == 0)
		be_fenced(&h, until);
	else
		play(&h, until);
	return 0;
}
