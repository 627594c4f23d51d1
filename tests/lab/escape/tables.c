// SPDX-License-Identifier: GPL-2.0-or-later
/* What the steps of a program are made of. Weights say how often something is taken. */
#include "tests/lab/escape/escape.h"

#include <arpa/inet.h>
#include <linux/in6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

const char *const escape_names[ESCAPE_NAMES] = {"api.allowed.test", "other.test", "shared.test",
						"evil.test"};
const char *const escape_devices[ESCAPE_DEVICES] = {"none", "lo", "a0", "absent"};

/* The addresses of topo.py. */
const struct escape_address escape_addresses[] = {
    {"203.0.113.10", 30, 3},   {"2001:db8::10", 30, 3}, /* allowed names */
    {"203.0.113.11", 10, 1},   {"2001:db8::11", 10, 1}, /* the other name */
    {"203.0.113.20", 30, 4},   {"2001:db8::20", 30, 4}, /* nobody's */
    {"203.0.113.30", 10, 1},   {"2001:db8::30", 10, 1}, /* address rules */
    {"203.0.113.31", 6, 1},    {"2001:db8::31", 6, 1},  /* denied, in a prefix */
    {"203.0.113.53", 3, 1},    {"2001:db8::53", 3, 1},  /* the name server */
    {"127.0.0.1", 30, 20},     {"::1", 30, 20},
    {"127.9.9.9", 3, 10},      {"198.51.100.2", 12, 24},
    {"2001:db8:1::2", 12, 24},                          /* our own */
    {"198.51.100.1", 4, 1},    {"2001:db8:1::1", 4, 1}, /* the router */
    {"192.0.2.2", 2, 1},       {"2001:db8:2::2", 2, 1},
    {"0.0.0.0", 4, 30},        {"::", 4, 30},
    {"224.0.0.1", 2, 2},       {"239.1.2.3", 2, 1},
    {"ff02::1", 2, 2},         {"ff05::2", 2, 1},
    {"255.255.255.255", 2, 1}, {"198.51.100.255", 2, 1},
    {"fe80::1", 4, 3},         {"fe80::2", 3, 12},
    {"fe80::dead", 2, 12},     {"169.254.169.254", 2, 1},
    {"10.1.2.3", 2, 1},        {"fd00:ec2::254", 2, 1},
};
const unsigned escape_n_addresses = sizeof(escape_addresses) / sizeof(escape_addresses[0]);

/* 7000: ingress; 4001 to 4003 and 1234: others outside the fence, 4004 and 4005: in another one; the
 * rest as the policy has them. */
uint16_t escape_ports[] = {443,
			   80,
			   5432,
			   9999,
			   9000,
			   9001,
			   11434,
			   11435,
			   7000,
			   53,
			   1234,
			   4001,
			   4002,
			   4003,
			   4004,
			   4005,
			   8125,
			   [ESCAPE_RESOLVER_PORT] = 0,
			   [ESCAPE_OTHER_RESOLVER_PORT] = 0};
const unsigned escape_n_ports = sizeof(escape_ports) / sizeof(escape_ports[0]);

#define O(level, name, value, weight)                                                              \
	{                                                                                          \
		level, name, value, weight, #name                                                  \
	}
const struct escape_option escape_options[] = {
    O(SOL_SOCKET, SO_BINDTODEVICE, VALUE_DEVICE_NAME, 12),
    O(SOL_SOCKET, SO_BINDTOIFINDEX, VALUE_DEVICE, 8),
    O(SOL_SOCKET, SO_MARK, VALUE_INT, 4),
    O(SOL_SOCKET, SO_REUSEADDR, VALUE_INT, 14),
    O(SOL_SOCKET, SO_REUSEPORT, VALUE_INT, 14),
    O(SOL_SOCKET, SO_DONTROUTE, VALUE_INT, 3),
    O(SOL_SOCKET, SO_BROADCAST, VALUE_INT, 4),
    O(SOL_SOCKET, SO_PRIORITY, VALUE_INT, 1),
    O(SOL_SOCKET, SO_LINGER, VALUE_LINGER, 2),
    O(SOL_SOCKET, SO_OOBINLINE, VALUE_INT, 1),
    O(SOL_SOCKET, SO_NO_CHECK, VALUE_INT, 1),
    O(IPPROTO_IP, IP_UNICAST_IF, VALUE_DEVICE_BE, 12),
    O(IPPROTO_IP, IP_MULTICAST_IF, VALUE_MREQN, 8),
    O(IPPROTO_IP, IP_MULTICAST_TTL, VALUE_INT, 1),
    O(IPPROTO_IP, IP_MULTICAST_LOOP, VALUE_INT, 1),
    O(IPPROTO_IP, IP_ADD_MEMBERSHIP, VALUE_MREQN, 2),
    O(IPPROTO_IP, IP_TTL, VALUE_INT, 2),
    O(IPPROTO_IP, IP_TOS, VALUE_INT, 2),
    O(IPPROTO_IP, IP_TRANSPARENT, VALUE_INT, 2),
    O(IPPROTO_IP, IP_FREEBIND, VALUE_INT, 4),
    O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, VALUE_INT, 3),
    O(IPPROTO_IP, IP_LOCAL_PORT_RANGE, VALUE_INT, 1),
    O(IPPROTO_IP, IP_MTU_DISCOVER, VALUE_INT, 1),
    O(IPPROTO_IP, IP_OPTIONS, VALUE_BYTES, 3),
    O(IPPROTO_IP, IP_NODEFRAG, VALUE_INT, 1),
    O(IPPROTO_IPV6, IPV6_UNICAST_IF, VALUE_DEVICE_BE, 12),
    O(IPPROTO_IPV6, IPV6_MULTICAST_IF, VALUE_DEVICE, 8),
    O(IPPROTO_IPV6, IPV6_PKTINFO, VALUE_PKTINFO6, 8),
    O(IPPROTO_IPV6, IPV6_V6ONLY, VALUE_INT, 3),
    O(IPPROTO_IPV6, IPV6_FREEBIND, VALUE_INT, 4),
    O(IPPROTO_IPV6, IPV6_TRANSPARENT, VALUE_INT, 2),
    O(IPPROTO_IPV6, IPV6_UNICAST_HOPS, VALUE_INT, 1),
    O(IPPROTO_IPV6, IPV6_TCLASS, VALUE_INT, 1),
    O(IPPROTO_IPV6, IPV6_ADDRFORM, VALUE_FAMILY, 4),
    O(IPPROTO_IPV6, IPV6_JOIN_GROUP, VALUE_MREQ6, 2),
    O(IPPROTO_IPV6, IPV6_DSTOPTS, VALUE_BYTES, 1),
    O(IPPROTO_IPV6, IPV6_HOPOPTS, VALUE_BYTES, 1),
    O(IPPROTO_IPV6, IPV6_RTHDR, VALUE_BYTES, 1),
    O(IPPROTO_IPV6, IPV6_MTU, VALUE_INT, 1),
    O(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, VALUE_INT, 1),
    O(IPPROTO_TCP, TCP_NODELAY, VALUE_INT, 8),
    O(IPPROTO_TCP, TCP_CORK, VALUE_INT, 2),
    O(IPPROTO_TCP, TCP_FASTOPEN, VALUE_INT, 3),
    O(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, VALUE_INT, 6),
    O(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, VALUE_INT, 2),
    O(IPPROTO_TCP, TCP_DEFER_ACCEPT, VALUE_INT, 1),
    O(IPPROTO_TCP, TCP_MAXSEG, VALUE_INT, 2),
    O(IPPROTO_TCP, TCP_REPAIR, VALUE_INT, 1),
    O(IPPROTO_TCP, TCP_ULP, VALUE_TEXT, 1),
    O(IPPROTO_TCP, TCP_CONGESTION, VALUE_TEXT, 1),
    O(IPPROTO_UDP, UDP_SEGMENT, VALUE_INT, 2),
    O(IPPROTO_UDP, UDP_CORK, VALUE_INT, 3),
    O(IPPROTO_UDP, UDP_ENCAP, VALUE_INT, 2),
    O(IPPROTO_UDP, UDP_NO_CHECK6_TX, VALUE_INT, 1),
};
const unsigned escape_n_options = sizeof(escape_options) / sizeof(escape_options[0]);

const struct escape_option escape_cmsgs[] = {
    O(IPPROTO_IP, IP_PKTINFO, VALUE_MREQN, 10),
    O(IPPROTO_IPV6, IPV6_PKTINFO, VALUE_PKTINFO6, 10),
    O(IPPROTO_IP, IP_TTL, VALUE_INT, 2),
    O(IPPROTO_IP, IP_TOS, VALUE_INT, 2),
    O(IPPROTO_IPV6, IPV6_HOPLIMIT, VALUE_INT, 2),
    O(IPPROTO_IPV6, IPV6_TCLASS, VALUE_INT, 1),
    O(SOL_SOCKET, SO_MARK, VALUE_INT, 2),
    O(IPPROTO_UDP, UDP_SEGMENT, VALUE_INT, 2),
    O(IPPROTO_IP, IP_RETOPTS, VALUE_BYTES, 1),
    O(IPPROTO_IPV6, IPV6_DONTFRAG, VALUE_INT, 1),
    O(IPPROTO_IPV6, IPV6_DSTOPTS, VALUE_BYTES, 1),
    O(IPPROTO_IPV6, IPV6_FLOWINFO, VALUE_INT, 1),
};
const unsigned escape_n_cmsgs = sizeof(escape_cmsgs) / sizeof(escape_cmsgs[0]);
#undef O

void escape_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *a4 = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (ret->ss_family == AF_INET6)
		inet_pton(AF_INET6, address, &a6->sin6_addr);
	else
		inet_pton(AF_INET, address, &a4->sin_addr);
	a4->sin_port = htons(port); /* the same place in both */
}
