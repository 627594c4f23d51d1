/* Plays the programs of the escape fuzzer, as an ordinary user inside a fence; see tests/net/escape.
 *
 * Several workers (processes), each with a second thread for the steps that go beside. Nothing
 * sleeps: sockets do not block, and what is waited for is waited for some milliseconds. */
#include "tests/net/escape_payload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX   32
#define OWN_PORT_BASE 20000
#define LOOKUP_EVERY  500 /* programs of a worker */
#define WAIT_MS       3
#define LOOKUP_MS     300

struct slot {
	_Atomic int fd;
	pthread_mutex_t lock; /* of the stream: what was written is what it says */
	struct escape_stream stream;
	bool v6;
	uint8_t type;
};

struct worker {
	struct slot slots[ESCAPE_SLOTS];
	uint16_t own_port;
	uint32_t program;
	struct escape_buffer *buffers[2];
	/* the second thread */
	sem_t work, idle;
	const struct escape_step *steps, *beside[ESCAPE_STEPS];
	unsigned n_beside, n_done;
	bool verbose;
};

struct shared {
	_Atomic uint32_t done[WORKERS_MAX], program[WORKERS_MAX];
};

static struct options {
	uint64_t seed, skip;
	uint32_t first, count, repeat;
	unsigned workers, seconds;
	const char *cgroup;
	unsigned uid;
	bool one, print;
} options = {.workers = 6, .count = UINT32_MAX, .repeat = 1, .uid = 65534};

static unsigned device_index[ESCAPE_DEVICES];

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- addresses ----------------------------------------------------------------------------------- */

static uint16_t port_of(const struct worker *w, uint8_t port)
{
	return port >= ESCAPE_OWN_PORT ? (uint16_t)(w->own_port + port - ESCAPE_OWN_PORT)
				       : escape_ports[port];
}

static socklen_t address_of(const struct worker *w, const struct escape_to *to, bool v6,
			    struct sockaddr_storage *ret)
{
	const char *t = escape_addresses[to->address].text;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *a4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (!v6 && !strchr(t, ':')) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(port_of(w, to->port));
		inet_pton(AF_INET, t, &a4->sin_addr);
		return sizeof(*a4);
	}
	a6->sin6_family = AF_INET6;
	a6->sin6_port = htons(port_of(w, to->port));
	if (strchr(t, ':')) {
		inet_pton(AF_INET6, t, &a6->sin6_addr);
	} else {
		a6->sin6_addr.s6_addr[10] = a6->sin6_addr.s6_addr[11] = 0xff;
		inet_pton(AF_INET, t, &a6->sin6_addr.s6_addr[12]);
	}
	a6->sin6_scope_id = device_index[to->scope];
	return sizeof(*a6);
}

static void in6_of(uint8_t address, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (address == UINT8_MAX)
		return;
	if (strchr(escape_addresses[address].text, ':')) {
		inet_pton(AF_INET6, escape_addresses[address].text, ret);
	} else {
		ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
		inet_pton(AF_INET, escape_addresses[address].text, &ret->s6_addr[12]);
	}
}

static void in4_of(uint8_t address, struct in_addr *ret)
{
	ret->s_addr = 0;
	if (address != UINT8_MAX)
		inet_pton(AF_INET, escape_addresses[address].text, ret);
}

/* ---- options and control messages ---------------------------------------------------------------- */

static socklen_t value_of(const struct escape_option *o, uint8_t device, uint8_t address, uint32_t value,
			  bool cmsg, uint8_t ret[64])
{
	const unsigned index = device_index[device];
	struct ip_mreqn m = {.imr_ifindex = (int)index};
	struct ipv6_mreq m6 = {.ipv6mr_interface = index};
	struct in6_pktinfo i6 = {.ipi6_ifindex = index};
	struct in_pktinfo i4 = {.ipi_ifindex = (int)index};
	const struct linger l = {1, (int)(value & 1)};
	const char *text = value & 1 ? "tls" : "reno";

#define GIVE(x) (memcpy(ret, &(x), sizeof(x)), (socklen_t)sizeof(x))
	switch ((enum escape_value)o->value) {
	case VALUE_DEVICE:
		return GIVE(index);
	case VALUE_DEVICE_BE:
		return GIVE((uint32_t){htonl(index)});
	case VALUE_DEVICE_NAME:
		strcpy((char *)ret, device ? escape_devices[device] : "");
		return (socklen_t)strlen((char *)ret) + 1;
	case VALUE_MREQN:
		if (cmsg) {
			in4_of(address, &i4.ipi_spec_dst);
			return GIVE(i4);
		}
		inet_pton(AF_INET, "239.1.2.3", &m.imr_multiaddr);
		in4_of(address, &m.imr_address);
		return GIVE(m);
	case VALUE_MREQ6:
		inet_pton(AF_INET6, "ff05::2", &m6.ipv6mr_multiaddr);
		return GIVE(m6);
	case VALUE_PKTINFO6:
		in6_of(address, &i6.ipi6_addr);
		return GIVE(i6);
	case VALUE_LINGER:
		return GIVE(l);
	case VALUE_FAMILY:
		return GIVE((int){AF_INET});
	case VALUE_TEXT:
		strcpy((char *)ret, text);
		return (socklen_t)strlen(text);
	case VALUE_BYTES:
		memset(ret, (int)value & 0xff, 8);
		return (value & 1) * 8;
	case VALUE_INT:
		break;
	}
	return GIVE(value);
#undef GIVE
}

static int set_option(int fd, const struct escape_step *s)
{
	const struct escape_option *o = &escape_options[s->option];
	uint8_t value[64];
	const socklen_t n = value_of(o, s->device, s->address, s->value, false, value);

	return setsockopt(fd, o->level, o->name, value, n);
}

static int random_option(int fd, const struct escape_step *s)
{
	uint32_t value[4] = {s->value & 1 ? device_index[s->device] : s->value};

	return setsockopt(fd, s->level, s->name, value, s->value & 2 ? sizeof(value) : 4);
}

static size_t control_of(const struct escape_step *s, uint8_t *room, size_t bytes)
{
	struct msghdr m = {.msg_control = room, .msg_controllen = bytes};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	size_t used = 0;

	memset(room, 0, bytes);
	for (unsigned i = 0; i < s->n_cmsgs; i++) {
		const struct escape_cmsg *from = &s->cmsgs[i];
		const struct escape_option *o = &escape_cmsgs[from->which];
		uint8_t value[64];
		const socklen_t n = value_of(o, from->device, from->address, from->value, true, value);

		c->cmsg_level = o->level;
		c->cmsg_type = o->name;
		c->cmsg_len = CMSG_LEN(n);
		memcpy(CMSG_DATA(c), value, n);
		used += CMSG_SPACE(n);
		c = (struct cmsghdr *)(room + used);
	}
	return used;
}

/* ---- steps --------------------------------------------------------------------------------------- */

static void drop_locked(struct slot *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

/* Under the lock: nothing is written to whoever gets the number next. */
static void drop(struct slot *t)
{
	pthread_mutex_lock(&t->lock);
	drop_locked(t);
	pthread_mutex_unlock(&t->lock);
}

static void reset(struct slot *t)
{
	const struct linger l = {1, 0};

	if (t->fd >= 0)
		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	drop(t);
}

static int make(struct slot *t, const struct escape_step *s)
{
	const int family = s->v6 ? AF_INET6 : AF_INET, flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	pthread_mutex_lock(&t->lock);
	drop_locked(t);
	t->stream = (struct escape_stream){0};
	t->v6 = s->v6;
	t->type = s->type;
	t->fd = s->type == TYPE_TCP ? socket(family, SOCK_STREAM | flags, 0)
				    : socket(family, SOCK_DGRAM | flags,
					     s->type == TYPE_UDP ? IPPROTO_UDP
					     : s->v6             ? IPPROTO_ICMPV6
								 : IPPROTO_ICMP);
	pthread_mutex_unlock(&t->lock);
	return t->fd;
}

static void wait_for(int fd, short what, int ms)
{
	struct pollfd p = {fd, what, 0};

	poll(&p, 1, ms);
}

/* A connection that is over, or none yet: what is written next begins another. */
static bool closed(const struct slot *t)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	return t->type != TYPE_TCP ||
	       (getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 && info.tcpi_state == TCP_CLOSE);
}

static int connect_to(struct slot *t, const struct sockaddr *a, socklen_t n, bool wait)
{
	bool fresh;
	int r;

	pthread_mutex_lock(&t->lock);
	fresh = closed(t);
	r = connect(t->fd, a, n);
	if ((r == 0 && fresh) || (r && errno == EINPROGRESS))
		t->stream = (struct escape_stream){0};
	else if (r == 0) /* another one, or the one that MSG_FASTOPEN began */
		t->stream.state = STREAM_UNKNOWN;
	pthread_mutex_unlock(&t->lock);
	if (wait && r && errno == EINPROGRESS)
		wait_for(t->fd, POLLOUT, WAIT_MS);
	return r;
}

static int connect_step(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	const socklen_t n = address_of(w, &s->to, t->v6, &a);

	return connect_to(t, (struct sockaddr *)&a, n, s->wait);
}

/* IPv4 to an IPv6 socket, and back where it is mapped. */
static void convert(struct sockaddr_storage *a, socklen_t *n, bool v6)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
	struct sockaddr_in a4 = {.sin_family = AF_INET};

	if (v6 && a->ss_family == AF_INET) {
		memcpy(&a4, a, sizeof(a4));
		a6.sin6_port = a4.sin_port;
		a6.sin6_addr.s6_addr[10] = a6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(&a6.sin6_addr.s6_addr[12], &a4.sin_addr, 4);
		memcpy(a, &a6, *n = sizeof(a6));
	} else if (!v6 && a->ss_family == AF_INET6) {
		memcpy(&a6, a, sizeof(a6));
		a4.sin_port = a6.sin6_port;
		if (IN6_IS_ADDR_V4MAPPED(&a6.sin6_addr))
			memcpy(&a4.sin_addr, &a6.sin6_addr.s6_addr[12], 4);
		memcpy(a, &a4, *n = sizeof(a4));
	}
}

static int connect_as(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (getpeername(w->slots[s->other].fd, (struct sockaddr *)&a, &n))
		return -1;
	convert(&a, &n, t->v6);
	return connect_to(t, (struct sockaddr *)&a, n, s->wait);
}

/* With the address, or, where `wait` says so, with the port alone. */
static int bind_as(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	if (getsockname(w->slots[s->other].fd, (struct sockaddr *)&a, &n))
		return -1;
	if (a.ss_family == AF_INET && !s->wait)
		((struct sockaddr_in *)&a)->sin_addr.s_addr = 0;
	else if (a.ss_family == AF_INET6 && !s->wait)
		((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_any;
	convert(&a, &n, t->v6);
	return bind(t->fd, (struct sockaddr *)&a, n);
}

static int bind_step(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct sockaddr_storage a;
	const socklen_t n = address_of(w, &s->to, t->v6, &a);

	return bind(t->fd, (struct sockaddr *)&a, n);
}

static void bind_device(struct slot *t, uint8_t device)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_scope_id = device_index[device]};
	const char *const name = escape_devices[device];

	if (setsockopt(t->fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name) + 1) == 0 || !t->v6)
		return;
	/* fails too, but the scope stays */
	inet_pton(AF_INET6, "fe80::dead", &a.sin6_addr);
	(void)!bind(t->fd, (struct sockaddr *)&a, sizeof(a));
}

static int twin(struct worker *w, struct slot *t, const struct escape_step *s)
{
	const int other = w->slots[s->other].fd, on = 1;
	const struct escape_step kind = {.v6 = s->v6, .type = w->slots[s->other].type};
	struct sockaddr_storage here, there;
	socklen_t n_here = sizeof(here), n_there = sizeof(there);

	if (t == &w->slots[s->other] || getsockname(other, (struct sockaddr *)&here, &n_here) ||
	    getpeername(other, (struct sockaddr *)&there, &n_there) || make(t, &kind) < 0)
		return -1;
	setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(t->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind_device(t, s->device);
	convert(&here, &n_here, t->v6);
	convert(&there, &n_there, t->v6);
	if (bind(t->fd, (struct sockaddr *)&here, n_here))
		return -1;
	return connect_to(t, (struct sockaddr *)&there, n_there, s->wait);
}

static int disconnect(struct slot *t)
{
	const struct sockaddr a = {.sa_family = AF_UNSPEC};
	int r;

	pthread_mutex_lock(&t->lock);
	r = connect(t->fd, &a, sizeof(a));
	if (r == 0)
		t->stream = (struct escape_stream){0};
	pthread_mutex_unlock(&t->lock);
	return r;
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* All of the buffer, in the step's pieces. What was cut off makes the stream one that nobody knows. */
static int write_pieces(struct slot *t, struct msghdr *m, struct escape_buffer *b,
			const struct escape_step *s, int flags)
{
	uint16_t cuts[4];
	size_t at = 0;
	ssize_t r = 0;

	memcpy(cuts, s->cuts, sizeof(cuts));
	qsort(cuts, s->n_cuts, sizeof(cuts[0]), compare);
	for (unsigned i = 0; i <= s->n_cuts; i++) {
		const size_t end = i < s->n_cuts ? b->bytes * cuts[i] / 65536 : b->bytes;
		struct iovec v = {b->data + at, end - at};

		if (end == at)
			continue;
		m->msg_iov = &v;
		m->msg_iovlen = 1;
		r = sendmsg(t->fd, m, (at ? flags & ~MSG_FASTOPEN : flags) | MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r != (ssize_t)(end - at)) {
			/* nothing went out: as it was before; else half of it is there */
			if (at > 0 || r > 0)
				t->stream.state = STREAM_UNKNOWN;
			return r < 0 ? -1 : 0;
		}
		at = end;
	}
	return 0;
}

static int send_step(struct worker *w, struct slot *t, const struct escape_step *s, unsigned thread)
{
	struct escape_buffer *b = w->buffers[thread];
	struct sockaddr_storage a;
	uint8_t room[256];
	struct msghdr m = {0};
	struct escape_stream before;
	int r, flags = s->flags;

	if (s->op == OP_SEND_TO) {
		m.msg_name = &a;
		m.msg_namelen = address_of(w, &s->to, t->v6, &a);
		m.msg_controllen = control_of(s, room, sizeof(room));
		m.msg_control = m.msg_controllen ? room : NULL;
	}
	b->bytes = 0;
	if (t->type == TYPE_PING) {
		const uint8_t echo[8] = {t->v6 ? 128 : 8};

		memcpy(b->data, echo, 8);
		b->bytes = 8;
	}
	pthread_mutex_lock(&t->lock);
	before = t->stream;
	if (closed(t))
		t->stream = (struct escape_stream){0};
	else /* or it would begin another connection when this one ends meanwhile */
		flags &= ~MSG_FASTOPEN;
	for (unsigned i = 0; i < s->n_messages; i++)
		escape_write(b, &t->stream, &s->messages[i]);
	r = write_pieces(t, &m, b, s, flags);
	if (r && t->stream.state != STREAM_UNKNOWN)
		t->stream = before;
	pthread_mutex_unlock(&t->lock);
	if (s->wait && r == 0)
		wait_for(t->fd, POLLIN, WAIT_MS);
	return r;
}

static int accept_step(struct worker *w, struct slot *t, const struct escape_step *s)
{
	struct slot *to = &w->slots[s->other];
	int fd;

	if (s->wait)
		wait_for(t->fd, POLLIN, WAIT_MS);
	fd = accept4(t->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return -1;
	pthread_mutex_lock(&to->lock);
	drop_locked(to);
	to->v6 = t->v6;
	to->type = TYPE_TCP;
	to->stream = (struct escape_stream){0};
	to->fd = fd;
	pthread_mutex_unlock(&to->lock);
	return 0;
}

static void lookup(const char *name, bool canary, uint32_t program, bool wait)
{
	static struct escape_buffer b;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(53)};
	char answer[512];

	if (fd < 0)
		return;
	inet_pton(AF_INET, "203.0.113.53", &a.sin_addr);
	b.program = program;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		escape_question(&b, name, canary, (uint16_t)(program + v6), v6);
		if (sendto(fd, b.data, b.bytes, MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a)) < 0)
			continue;
		if (wait)
			wait_for(fd, POLLIN, LOOKUP_MS);
		if (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) < 0 && wait && options.print)
			printf("no answer about %s\n", name);
	}
	close(fd);
}

static int step(struct worker *w, const struct escape_step *s, unsigned thread)
{
	struct slot *t = &w->slots[s->slot];
	char waste[4096];

	switch ((enum escape_op)s->op) {
	case OP_SOCKET:
		return make(t, s);
	case OP_BIND:
		return bind_step(w, t, s);
	case OP_BIND_AS:
		return bind_as(w, t, s);
	case OP_CONNECT:
		return connect_step(w, t, s);
	case OP_CONNECT_AS:
		return connect_as(w, t, s);
	case OP_TWIN:
		return twin(w, t, s);
	case OP_DISCONNECT:
		return disconnect(t);
	case OP_OPTION:
		return set_option(t->fd, s);
	case OP_RANDOM_OPTION:
		return random_option(t->fd, s);
	case OP_SEND:
	case OP_SEND_TO:
		return send_step(w, t, s, thread);
	case OP_LISTEN:
		return listen(t->fd, 4);
	case OP_ACCEPT:
		return accept_step(w, t, s);
	case OP_RECEIVE:
		return (int)recv(t->fd, waste, sizeof(waste), MSG_DONTWAIT);
	case OP_SHUTDOWN:
		return shutdown(t->fd, (int)s->value % 3);
	case OP_RESET:
		reset(t);
		return 0;
	case OP_CLOSE:
		drop(t);
		return 0;
	case OP_LOOKUP:
		lookup(escape_names[s->value % ESCAPE_NAMES], s->value >= ESCAPE_NAMES, w->program, false);
		return 0;
	case OP_PAUSE:
		if (s->value & 1)
			wait_for(t->fd, POLLIN, 1);
		else
			sched_yield();
		return 0;
	case ESCAPE_OPS:
		break;
	}
	return -1;
}

static void one_step(struct worker *w, const struct escape_step *s, unsigned thread)
{
	w->buffers[thread]->program = w->program;
	w->buffers[thread]->step = (uint8_t)(s - w->steps);
	errno = 0;
	if (step(w, s, thread) < 0 && w->verbose)
		printf("     step %d: %s\n", w->buffers[thread]->step, strerror(errno));
}

static void *second(void *arg)
{
	struct worker *w = arg;

	for (;;) {
		sem_wait(&w->work);
		one_step(w, w->beside[w->n_done], 1);
		w->n_done++;
		sem_post(&w->idle);
	}
	return NULL;
}

static void play(struct worker *w, uint32_t k)
{
	static struct escape_program p;

	escape_generate(options.seed, k, &p);
	w->program = k;
	w->n_beside = w->n_done = 0;
	w->steps = p.steps;
	for (unsigned i = 0; i < p.n; i++) {
		if (options.skip & (1ull << i))
			continue;
		if (p.steps[i].async) {
			w->beside[w->n_beside++] = &p.steps[i];
			sem_post(&w->work);
		} else {
			one_step(w, &p.steps[i], 0);
		}
	}
	for (unsigned i = 0; i < w->n_beside; i++)
		sem_wait(&w->idle);
	for (unsigned i = 0; i < ESCAPE_SLOTS; i++)
		if ((k + i) % 4)
			reset(&w->slots[i]);
		else
			drop(&w->slots[i]);
}

static void look_up_all(uint32_t k)
{
	for (unsigned i = 0; i < 2; i++)
		lookup(escape_names[i], false, k, true);
}

/* The fence's resolver: the UDP socket at 127.0.0.1 that is nobody's we know. */
static void find_resolver(void)
{
	FILE *f = fopen("/proc/self/net/udp", "re");
	char line[256];
	unsigned address, port;

	while (f && fgets(line, sizeof(line), f)) {
		bool known = sscanf(line, " %*u: %x:%x", &address, &port) != 2 || address != htonl(INADDR_LOOPBACK);

		for (unsigned i = 0; i < escape_n_ports; i++)
			known = known || escape_ports[i] == port;
		if (!known)
			escape_ports[ESCAPE_RESOLVER_PORT] = (uint16_t)port;
	}
	if (f)
		fclose(f);
}

static void work(unsigned number, struct shared *shared)
{
	static struct worker w;
	pthread_t thread;
	unsigned since = 0;

	w.own_port = (uint16_t)(OWN_PORT_BASE + number * ESCAPE_OWN_PORTS);
	w.verbose = options.print;
	for (unsigned i = 0; i < ESCAPE_SLOTS; i++) {
		w.slots[i].fd = -1;
		pthread_mutex_init(&w.slots[i].lock, NULL);
	}
	for (unsigned i = 0; i < 2; i++)
		w.buffers[i] = calloc(1, sizeof(*w.buffers[i]));
	sem_init(&w.work, 0, 0);
	sem_init(&w.idle, 0, 0);
	if (pthread_create(&thread, NULL, second, &w))
		_exit(1);
	look_up_all(0);
	if (options.one) {
		for (uint32_t i = 0; i < options.repeat; i++, shared->done[number]++)
			play(&w, options.first);
		usleep(100000); /* what is under way */
		_exit(0);
	}
	for (uint64_t k = (uint64_t)options.first + number; k - options.first < options.count;
	     k += options.workers) {
		shared->program[number] = (uint32_t)k;
		play(&w, (uint32_t)k);
		shared->done[number]++;
		if (++since % LOOKUP_EVERY == 0)
			look_up_all((uint32_t)k);
	}
	_exit(0);
}

/* ---- start and end ------------------------------------------------------------------------------- */

static int join(void)
{
	char path[512], pid[16];
	int fd, n;

	if (!options.cgroup)
		return 0;
	snprintf(path, sizeof(path), "%s/cgroup.procs", options.cgroup);
	n = snprintf(pid, sizeof(pid), "%d", getpid());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, pid, (size_t)n) != n)
		return -1;
	close(fd);
	if (setgroups(0, NULL) || setresgid(options.uid, options.uid, options.uid) ||
	    setresuid(options.uid, options.uid, options.uid) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return 0;
}

static void watch(const struct shared *shared, const pid_t *pids)
{
	const int64_t end = options.seconds ? now_ms() + options.seconds * 1000ll : INT64_MAX;
	struct pollfd in = {0, POLLIN, 0};
	unsigned alive = options.workers;

	while (alive > 0 && now_ms() < end) {
		uint64_t done = 0;

		if (poll(&in, options.one ? 0 : 1, options.one ? 10 : 250) > 0 &&
		    read(0, &(char){0}, 1) <= 0)
			break; /* who started us is gone, or wants it */
		for (unsigned i = 0; i < options.workers; i++)
			done += shared->done[i];
		if (!options.one)
			printf("done %llu\n", (unsigned long long)done);
		fflush(stdout);
		while (alive > 0 && waitpid(-1, NULL, WNOHANG) > 0)
			alive--;
	}
	for (unsigned i = 0; i < options.workers; i++)
		kill(pids[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static int usage(void)
{
	fprintf(stderr, "escape_player [--seed N] [--first K] [--count N] [--seconds S] [--workers N]\n"
			"  [--program K [--repeat N] [--skip STEP,...] [--print | --list]] [--cgroup DIR] [--uid N]\n");
	return 2;
}

static int list(void)
{
	struct escape_program p;

	escape_generate(options.seed, options.first, &p);
	escape_print(stdout, &p, options.skip);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option all[] = {
	    {"seed", 1, NULL, 's'},	{"first", 1, NULL, 'f'},  {"count", 1, NULL, 'n'},
	    {"seconds", 1, NULL, 't'},	{"workers", 1, NULL, 'w'}, {"program", 1, NULL, 'p'},
	    {"repeat", 1, NULL, 'r'},	{"skip", 1, NULL, 'x'},	  {"print", 0, NULL, 'v'},
	    {"list", 0, NULL, 'l'},	{"cgroup", 1, NULL, 'c'}, {"uid", 1, NULL, 'u'},
	    {NULL, 0, NULL, 0},
	};
	pid_t pids[WORKERS_MAX];
	struct shared *shared;
	bool only_list = false;

	for (int c; (c = getopt_long(argc, argv, "", all, NULL)) != -1;) {
		const unsigned long long n = optarg ? strtoull(optarg, NULL, 0) : 0;

		switch (c) {
		case 's':
			options.seed = n;
			break;
		case 'p':
			options.one = true;
			options.workers = 1;
			options.first = (uint32_t)n;
			break;
		case 'f':
			options.first = (uint32_t)n;
			break;
		case 'n':
			options.count = (uint32_t)n;
			break;
		case 't':
			options.seconds = (unsigned)n;
			break;
		case 'w':
			options.workers = (unsigned)n;
			break;
		case 'r':
			options.repeat = (uint32_t)n;
			break;
		case 'x':
			for (char *q = strtok(optarg, ","); q; q = strtok(NULL, ","))
				options.skip |= 1ull << (strtoul(q, NULL, 10) & 63);
			break;
		case 'v':
			options.print = true;
			break;
		case 'l':
			only_list = true;
			break;
		case 'c':
			options.cgroup = optarg;
			break;
		case 'u':
			options.uid = (unsigned)n;
			break;
		default:
			return usage();
		}
	}
	if (only_list)
		return list();
	if (options.workers < 1 || options.workers > WORKERS_MAX)
		return usage();
	if (join()) {
		perror("cannot become a user in the fence");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	device_index[1] = if_nametoindex("lo");
	device_index[2] = if_nametoindex("a0");
	device_index[3] = 4242;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	find_resolver();
	printf("READY\n");
	fflush(stdout);
	for (unsigned i = 0; i < options.workers; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(i, shared);
		}
	}
	watch(shared, pids);
	printf("END\n");
	return 0;
}
