// SPDX-License-Identifier: GPL-2.0-or-later
/* Plays the programs of the escape fuzzer, as an ordinary user inside a fence; see
 * tests/net/escape.
 *
 * Several workers (processes), each with a second thread for concurrent steps. No step sleeps:
 * sockets do not block, and a wait is some milliseconds. */
#include "tests/lab/escape/steps.h"
#include "tests/lab/escape/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
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

struct shared {
	_Atomic uint32_t done[WORKERS_MAX], program[WORKERS_MAX];
};

static struct options {
	uint64_t seed, skip;
	uint32_t first, count, repeat;
	unsigned workers, seconds;
	const char *cgroup, *meet;
	unsigned uid;
	bool one, print, list;
} options = {.workers = 6, .count = UINT32_MAX, .repeat = 1, .uid = 65534};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void one_step(struct worker *w, const struct escape_step *s, unsigned thread)
{
	w->buffers[thread]->program = w->program;
	w->buffers[thread]->step = (uint8_t)(s - w->steps);
	errno = 0;
	if (escape_do(w, s, thread) < 0 && w->verbose)
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
			escape_reset(&w->slots[i]);
		else
			escape_drop(&w->slots[i]);
	escape_others_leave(w);
}

static void look_up_all(uint32_t k)
{
	for (unsigned i = 0; i < 2; i++)
		escape_lookup(escape_names[i], false, k, true);
}

/* Does this resolver answer us? The other fence's does not. */
static bool answers(uint16_t port)
{
	const struct sockaddr_in a = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct escape_buffer b;
	struct pollfd p = {fd, POLLIN, 0};
	bool yes;

	escape_question(&b, escape_names[ESCAPE_NAMES - 1], false, 1, false);
	yes = connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 &&
	      send(fd, b.data, b.bytes, 0) > 0 && poll(&p, 1, 1000) == 1 &&
	      recv(fd, b.data, sizeof(b.data), MSG_DONTWAIT) > 0;
	close(fd);
	return yes;
}

/* The fences' resolvers: the UDP sockets at 127.0.0.1 that are nobody's we know. */
static void find_resolvers(void)
{
	FILE *f = fopen("/proc/self/net/udp", "re");
	char line[256];
	unsigned address, port;

	while (f && fgets(line, sizeof(line), f)) {
		bool known = sscanf(line, " %*u: %x:%x", &address, &port) != 2 ||
			     address != htonl(INADDR_LOOPBACK);

		for (unsigned i = 0; i < ESCAPE_RESOLVER_PORT; i++)
			known = known || escape_ports[i] == port;
		if (!known)
			escape_ports[answers((uint16_t)port) ? ESCAPE_RESOLVER_PORT
							     : ESCAPE_OTHER_RESOLVER_PORT] =
			    (uint16_t)port;
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
	if (escape_meet(&w, options.meet)) {
		perror("cannot meet those outside");
		_exit(1);
	}
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

/* ---- start and end ------------------------------------------------------- */

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
	fprintf(stderr,
		"escape_player [--seed N] [--first K] [--count N] [--seconds S] [--workers N]\n"
		"  [--program K [--repeat N] [--skip STEP,...] [--print | --list]] [--cgroup DIR] "
		"[--uid N] [--meet DIR]\n");
	return 2;
}

static int list(void)
{
	struct escape_program p;

	escape_generate(options.seed, options.first, &p);
	escape_print(stdout, &p, options.skip);
	return 0;
}

/* One option of the command line; false when there is none such. */
static bool take(int c, const unsigned long long n)
{
	switch (c) {
	case 's':
		options.seed = n;
		return true;
	case 'p':
		options.one = true;
		options.workers = 1;
		options.first = (uint32_t)n;
		return true;
	case 'f':
		options.first = (uint32_t)n;
		return true;
	case 'n':
		options.count = (uint32_t)n;
		return true;
	case 't':
		options.seconds = (unsigned)n;
		return true;
	case 'w':
		options.workers = (unsigned)n;
		return true;
	case 'r':
		options.repeat = (uint32_t)n;
		return true;
	case 'x':
		for (char *q = strtok(optarg, ","); q; q = strtok(NULL, ","))
			options.skip |= 1ull << (strtoul(q, NULL, 10) & 63);
		return true;
	case 'v':
		options.print = true;
		return true;
	case 'l':
		options.list = true;
		return true;
	case 'c':
		options.cgroup = optarg;
		return true;
	case 'm':
		options.meet = optarg;
		return true;
	case 'u':
		options.uid = (unsigned)n;
		return true;
	default:
		return false;
	}
}

static int play_all(void)
{
	pid_t pids[WORKERS_MAX];
	struct shared *shared;

	if (join()) {
		perror("cannot become a user in the fence");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	escape_device_index[1] = if_nametoindex("lo");
	escape_device_index[2] = if_nametoindex("a0");
	escape_device_index[3] = 4242;
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	find_resolvers();
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

int main(int argc, char **argv)
{
	static const struct option all[] = {
	    {"seed", 1, NULL, 's'},    {"first", 1, NULL, 'f'},   {"count", 1, NULL, 'n'},
	    {"seconds", 1, NULL, 't'}, {"workers", 1, NULL, 'w'}, {"program", 1, NULL, 'p'},
	    {"repeat", 1, NULL, 'r'},  {"skip", 1, NULL, 'x'},    {"print", 0, NULL, 'v'},
	    {"list", 0, NULL, 'l'},    {"cgroup", 1, NULL, 'c'},  {"uid", 1, NULL, 'u'},
	    {"meet", 1, NULL, 'm'},    {NULL, 0, NULL, 0},
	};

	for (int c; (c = getopt_long(argc, argv, "", all, NULL)) != -1;)
		if (!take(c, optarg ? strtoull(optarg, NULL, 0) : 0))
			return usage();
	if (options.list)
		return list();
	if (options.workers < 1 || options.workers > WORKERS_MAX)
		return usage();
	return play_all();
}
