// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * race_own KIND ADDRESS PORT TOKEN SECONDS: sends TOKEN to a port of this machine at which an
 * outsider listens. A second thread makes a socket of its own the receiver, and takes that back,
 * over and over.
 *
 *   connected   UDP: a bound socket is connected elsewhere and disconnected
 *   bound       UDP: a socket is bound and closed
 *   listener    TCP: a listener is opened and closed (SO_REUSEPORT)
 *   client      TCP: sockets that were bound before the outsider's was begin a connection and give
 * it up
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define AT_ONCE 24
#define PEERS   46000

static const char *kind, *token;
static struct sockaddr_storage there;
static socklen_t there_len;
static int held[AT_ONCE];
static atomic_bool over;

static struct sockaddr_storage at(int port)
{
	struct sockaddr_storage a = there;
	if (a.ss_family == AF_INET)
		((struct sockaddr_in *)&a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)&a)->sin6_port = htons(port);
	return a;
}

static int make(int type, int port)
{
	int s = socket(there.ss_family, type | SOCK_NONBLOCK, 0), on = 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!strcmp(kind, "listener"))
		setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	struct sockaddr_storage a = at(port);
	if (port && bind(s, (void *)&a, there_len) < 0) {
		close(s);
		return -errno;
	}
	return s;
}

static int own_port(void)
{
	return ntohs(there.ss_family == AF_INET ? ((struct sockaddr_in *)&there)->sin_port
						: ((struct sockaddr_in6 *)&there)->sin6_port);
}

static void spin(int n)
{
	for (volatile int i = 0; i < n; i++)
		;
}

static void *toggle(void *unused)
{
	struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	for (int i = 0; !over; i = (i + 1) % AT_ONCE) {
		bool client = !strcmp(kind, "client");
		if (client || !strcmp(kind, "connected")) {
			struct sockaddr_storage a = at(client ? PEERS + i : 9);
			int s = client ? held[i] : held[0];
			connect(s, (void *)&a, there_len);
			spin(client ? 300 : 0);
			connect(s, &nowhere, sizeof(nowhere));
			continue;
		}
		int s = make(!strcmp(kind, "bound") ? SOCK_DGRAM : SOCK_STREAM, own_port());
		if (s < 0)
			continue;
		if (!strcmp(kind, "listener"))
			listen(s, 500);
		spin(300);
		close(s);
	}
	return NULL;
}

static void send_datagrams(int s)
{
	for (int i = 0; i < 50; i++) {
		char back[64];
		sendto(s, token, strlen(token), MSG_DONTWAIT, (void *)&there, there_len);
		if (held[0] > 0)
			recv(held[0], back, sizeof(back), 0);
	}
}

static int connect_and_send(void)
{
	int s[AT_ONCE], sent = 0;
	struct linger reset = {1, 0};
	for (int i = 0; i < AT_ONCE; i++) {
		s[i] = make(SOCK_STREAM, !strcmp(kind, "client") ? PEERS + i : 0);
		if (s[i] < 0)
			continue;
		setsockopt(s[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		connect(s[i], (void *)&there, there_len);
	}
	usleep(2000);
	for (int i = 0; i < AT_ONCE; i++)
		sent += s[i] >= 0 && send(s[i], token, strlen(token), MSG_NOSIGNAL) > 0;
	usleep(2000);
	for (int i = 0; i < AT_ONCE; i++)
		if (s[i] >= 0)
			close(s[i]);
	return sent;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		return 2;
	kind = argv[1], token = argv[4];
	bool v6 = strchr(argv[2], ':'), udp = !strcmp(kind, "connected") || !strcmp(kind, "bound");
	there.ss_family = v6 ? AF_INET6 : AF_INET;
	there_len = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	inet_pton(there.ss_family, argv[2],
		  v6 ? (void *)&((struct sockaddr_in6 *)&there)->sin6_addr
		     : (void *)&((struct sockaddr_in *)&there)->sin_addr);
	there = at(atoi(argv[3]));
	for (int i = 0;
	     i < AT_ONCE && (!strcmp(kind, "client") || (!strcmp(kind, "connected") && !i)); i++)
		if ((held[i] = make(udp ? SOCK_DGRAM : SOCK_STREAM, own_port())) < 0) {
			printf("bind: %s\n", strerror(-held[i]));
			return 1;
		}
	printf("READY\n");
	fflush(stdout);
	if (!strcmp(kind, "client"))
		getchar();
	pthread_t thread;
	pthread_create(&thread, NULL, toggle, NULL);
	int sender = make(udp ? SOCK_DGRAM : SOCK_STREAM, 0), sent = 0;
	struct timespec now, end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(argv[5]);
	do {
		if (udp)
			send_datagrams(sender);
		else
			sent += connect_and_send();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
	over = true;
	pthread_join(thread, NULL);
	printf("DONE sent %d\n", sent);
	return 0;
}
