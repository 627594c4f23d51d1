// SPDX-License-Identifier: GPL-2.0-or-later
/* Load for the benchmarks: a server and clients as bare as they can be.
 *
 * load serve PORT                   HTTP answers on PORT and PORT+2, a byte sink on PORT+1 (until
 * killed) load connect HOST PORT SECONDS N  N parallel clients: connect, one request, answer,
 * close; also tells their processor time a connection, in us load latency HOST PORT COUNT      one
 * after the other; p50 of connect to answer, in us load bulk HOST PORT SECONDS       one stream
 * load refused HOST PORT SECONDS N [LEAST]  UDP datagrams from N sockets as fast as the kernel
 * takes them, and no fewer than LEAST
 *
 * Results are numbers on stdout. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listener(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

static void sink(int listen_fd)
{
	static char buf[1 << 20];

	for (;;) {
		int fd = accept(listen_fd, NULL, NULL);

		while (fd >= 0 && recv(fd, buf, sizeof(buf), MSG_TRUNC) > 0)
			;
		close(fd);
	}
}

static void serve(uint16_t port)
{
	int listening[] = {listener(port), listener((uint16_t)(port + 2))}, ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN}, got[64];
	char buf[4096];

	if (fork() == 0)
		sink(listener((uint16_t)(port + 1)));
	for (int i = 0; i < 2; i++) {
		ev.data.fd = listening[i];
		epoll_ctl(ep, EPOLL_CTL_ADD, listening[i], &ev);
	}
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;

			if (fd == listening[0] || fd == listening[1]) {
				ev.data.fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
				if (ev.data.fd >= 0)
					epoll_ctl(ep, EPOLL_CTL_ADD, ev.data.fd, &ev);
			} else {
				if (recv(fd, buf, sizeof(buf), 0) > 0)
					(void)!send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
				close(fd);
			}
		}
	}
}

static struct addrinfo *find(const char *host, const char *port, int type)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = type}, *ai;
	int r = getaddrinfo(host, port, &hints, &ai);

	if (r) {
		fprintf(stderr, "load: %s: %s\n", host, gai_strerror(r));
		exit(1);
	}
	return ai;
}

static int open_to(const struct addrinfo *ai)
{
	const struct linger reset = {1, 0}; /* no TIME_WAIT: ports do not run out */
	int fd = socket(ai->ai_family, ai->ai_socktype, 0);

	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		die("connect");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void request(const struct addrinfo *ai, const char *text, size_t n)
{
	char buf[512];
	int fd = open_to(ai);

	if (send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n || recv(fd, buf, sizeof(buf), 0) <= 0)
		die("request");
	close(fd);
}

static size_t request_text(char *buf, size_t max, const char *host)
{
	return (size_t)snprintf(buf, max, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
				host);
}

static uint8_t *put(uint8_t *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* A length of 2 bytes for what is behind it. */
static void put_length(uint8_t *at, const uint8_t *end)
{
	size_t n = (size_t)(end - at - 2);

	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

/* A ClientHello (RFC 8446, 4.1.2) as small as can be, with the name (RFC 6066, 3). */
static size_t hello_bytes(uint8_t *buf, const char *host)
{
	static const uint8_t record[] = {22, 3, 1, 0, 0}, hello[] = {1, 0, 0, 0, 3, 3},
			     rest[] = {0, 0, 2, 0x13, 1, 1, 0, 0, 0},
			     sni[] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
	uint8_t *p = put(buf, record, sizeof(record)), *extensions;

	p = put(p, hello, sizeof(hello));
	memset(p, 7, 32); /* "random" */
	p = put(p + 32, rest, sizeof(rest));
	extensions = p - 2;
	p = put(p, sni, sizeof(sni));
	p = put(p, host, strlen(host));
	for (int i = 0; i < 3; i++) /* of the extension, of the list, of the name */
		put_length(extensions + (const int[]){4, 6, 9}[i], p);
	put_length(extensions, p);
	put_length(buf + 7, p);
	put_length(buf + 3, p);
	return (size_t)(p - buf);
}

/* Of the children that have ended. */
static double processor_seconds(void)
{
	struct rusage ru;

	getrusage(RUSAGE_CHILDREN, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static void connect_rate(const char *host, const char *port, double seconds, int clients, bool tls)
{
	struct addrinfo *ai = find(host, port, SOCK_STREAM);
	unsigned long total = 0;
	char text[512];
	size_t len =
	    tls ? hello_bytes((uint8_t *)text, host) : request_text(text, sizeof(text), host);
	int out[2];

	if (pipe(out) < 0)
		die("pipe");
	for (int i = 0; i < clients; i++)
		if (fork() == 0) {
			unsigned long n = 0;

			for (double end = now() + seconds; now() < end; n++)
				request(ai, text, len);
			(void)!write(out[1], &n, sizeof(n));
			_exit(0);
		}
	for (int i = 0; i < clients; i++) {
		int status;
		unsigned long n;

		if (wait(&status) < 0 || status)
			exit(1);
		if (read(out[0], &n, sizeof(n)) == sizeof(n))
			total += n;
	}
	printf("%.0f %.2f\n", (double)total / seconds, processor_seconds() * 1e6 / (double)total);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void latency(const char *host, const char *port, int count)
{
	struct addrinfo *ai = find(host, port, SOCK_STREAM);
	double *t = calloc((size_t)count, sizeof(*t));
	char text[512];
	size_t len = request_text(text, sizeof(text), host);

	for (int i = 0; i < count; i++) {
		double start = now();

		request(ai, text, len);
		t[i] = now() - start;
	}
	qsort(t, (size_t)count, sizeof(*t), by_value);
	printf("%.1f\n", t[count / 2] * 1e6);
	free(t);
}

static void bulk(const char *host, const char *port, double seconds)
{
	static char buf[1 << 17];
	int fd = open_to(find(host, port, SOCK_STREAM));
	double start = now(), bytes = 0;

	while (now() < start + seconds) {
		ssize_t n = send(fd, buf, sizeof(buf), MSG_NOSIGNAL);

		if (n < 0)
			die("send");
		bytes += (double)n;
	}
	printf("%.0f\n", bytes * 8 / (now() - start) / 1e6);
	close(fd);
}

/* Counts what the kernel took: a full send buffer, or the error that an earlier one met, sends
 * nothing. */
static void refused(const char *host, const char *port, double seconds, int sockets,
		    unsigned long least)
{
	struct addrinfo *ai = find(host, port, SOCK_DGRAM);
	char secret[64] = "a secret that must not leave";
	unsigned long n = 0;
	int fd[64];

	if (sockets > 64)
		sockets = 64;
	for (int i = 0; i < sockets; i++)
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
	for (double end = now() + seconds; now() < end || n < least;)
		for (int i = 0; i < sockets; i++)
			n += sendto(fd[i], secret, sizeof(secret), MSG_DONTWAIT, ai->ai_addr,
				    ai->ai_addrlen) == sizeof(secret);
	printf("%lu\n", n);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((uint16_t)atoi(argv[2]));
	else if (argc == 6 && (!strcmp(argv[1], "connect") || !strcmp(argv[1], "tls")))
		connect_rate(argv[2], argv[3], atof(argv[4]), atoi(argv[5]), argv[1][0] == 't');
	else if (argc == 5 && !strcmp(argv[1], "latency"))
		latency(argv[2], argv[3], atoi(argv[4]));
	else if (argc == 5 && !strcmp(argv[1], "bulk"))
		bulk(argv[2], argv[3], atof(argv[4]));
	else if ((argc == 6 || argc == 7) && !strcmp(argv[1], "refused"))
		refused(argv[2], argv[3], atof(argv[4]), atoi(argv[5]),
			argc == 7 ? strtoul(argv[6], NULL, 10) : 0);
	else
		return 2;
	return 0;
}
