/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket options that a program in a fence may set; wall.bpf.c refuses any other. One table for
 * that program, and for the test that tries all numbers.
 *
 * Not here, and so refused: options that name a device or a foreign address, change a packet's way
 * (multicast interface and membership, source routes, extension headers, marks, policies), put
 * packets into other packets, rewrite a connection's state, or hand packets to programs or to pages
 * that can still change; and options that Linux does not have yet. Numbers, because the headers of
 * an older system lack some names.
 *
 *     X(level, number, name, why it is needed) */
#ifndef AGENTFW_BPF_OPTIONS_H
#define AGENTFW_BPF_OPTIONS_H

#define WALL_LEVEL_IP      0
#define WALL_LEVEL_SOCKET  1
#define WALL_LEVEL_TCP     6
#define WALL_LEVEL_UDP     17
#define WALL_LEVEL_IPV6    41
#define WALL_LEVEL_NETLINK 270

#define WALL_OPTIONS_MAX 128 /* per level: greater numbers are refused */

/* clang-format off */
#define WALL_OPTIONS(X) \
	X(SOCKET, 2, SO_REUSEADDR, "servers") \
	X(SOCKET, 6, SO_BROADCAST, "Go and Java set it on every UDP socket; it does nothing") \
	X(SOCKET, 7, SO_SNDBUF, "buffers") \
	X(SOCKET, 8, SO_RCVBUF, "buffers") \
	X(SOCKET, 9, SO_KEEPALIVE, "clients and servers") \
	X(SOCKET, 10, SO_OOBINLINE, "old protocols; urgent data is judged where it leaves") \
	X(SOCKET, 12, SO_PRIORITY, "IP_TOS sets it too") \
	X(SOCKET, 13, SO_LINGER, "how a connection ends") \
	X(SOCKET, 46, SO_BUSY_POLL, "only how long a read spins") \
	X(SOCKET, 15, SO_REUSEPORT, "servers with several workers") \
	X(SOCKET, 16, SO_PASSCRED, "unix sockets") \
	X(SOCKET, 18, SO_RCVLOWAT, "wake-ups") \
	X(SOCKET, 19, SO_SNDLOWAT, "the kernel says that it has none") \
	X(SOCKET, 20, SO_RCVTIMEO, "timeouts") \
	X(SOCKET, 21, SO_SNDTIMEO, "timeouts") \
	X(SOCKET, 27, SO_DETACH_FILTER, "there is none") \
	X(SOCKET, 29, SO_TIMESTAMP, "when something came: ping, DNS, QUIC") \
	X(SOCKET, 32, SO_SNDBUFFORCE, "netlink libraries try it; the kernel asks for a capability") \
	X(SOCKET, 33, SO_RCVBUFFORCE, "the same") \
	X(SOCKET, 34, SO_PASSSEC, "unix sockets") \
	X(SOCKET, 35, SO_TIMESTAMPNS, "when something came") \
	X(SOCKET, 37, SO_TIMESTAMPING, "gRPC measures with it") \
	X(SOCKET, 40, SO_RXQ_OVFL, "how much was lost") \
	X(SOCKET, 42, SO_PEEK_OFF, "reading") \
	X(SOCKET, 44, SO_LOCK_FILTER, "there is none") \
	X(SOCKET, 45, SO_SELECT_ERR_QUEUE, "wake-ups") \
	X(SOCKET, 47, SO_MAX_PACING_RATE, "how fast it sends") \
	X(SOCKET, 63, SO_TIMESTAMP_NEW, "when something came") \
	X(SOCKET, 64, SO_TIMESTAMPNS_NEW, "when something came") \
	X(SOCKET, 65, SO_TIMESTAMPING_NEW, "gRPC measures with it") \
	X(SOCKET, 66, SO_RCVTIMEO_NEW, "timeouts") \
	X(SOCKET, 67, SO_SNDTIMEO_NEW, "timeouts") \
	X(SOCKET, 76, SO_PASSPIDFD, "unix sockets") \
	X(SOCKET, 83, SO_PASSRIGHTS, "unix sockets") \
	X(SOCKET, 84, SO_INQ, "unix sockets") \
	X(TCP, 1, TCP_NODELAY, "nearly every client") \
	X(TCP, 2, TCP_MAXSEG, "how large segments are") \
	X(TCP, 3, TCP_CORK, "servers") \
	X(TCP, 4, TCP_KEEPIDLE, "keepalive") \
	X(TCP, 5, TCP_KEEPINTVL, "keepalive") \
	X(TCP, 6, TCP_KEEPCNT, "keepalive") \
	X(TCP, 7, TCP_SYNCNT, "how long connecting takes") \
	X(TCP, 8, TCP_LINGER2, "how a connection ends") \
	X(TCP, 9, TCP_DEFER_ACCEPT, "servers; it does nothing") \
	X(TCP, 10, TCP_WINDOW_CLAMP, "buffers") \
	X(TCP, 12, TCP_QUICKACK, "when it acknowledges") \
	X(TCP, 13, TCP_CONGESTION, "how fast it sends") \
	X(TCP, 18, TCP_USER_TIMEOUT, "gRPC, databases") \
	X(TCP, 23, TCP_FASTOPEN, "of listeners: nginx") \
	X(TCP, 25, TCP_NOTSENT_LOWAT, "buffers: Go, HTTP/2 servers") \
	X(TCP, 27, TCP_SAVE_SYN, "of listeners") \
	X(TCP, 36, TCP_INQ, "reading: gRPC") \
	X(UDP, 103, UDP_SEGMENT, "several datagrams in one call: QUIC") \
	X(UDP, 104, UDP_GRO, "receiving the same way") \
	X(IP, 1, IP_TOS, "ssh, SIP, QUIC") \
	X(IP, 2, IP_TTL, "ping, traceroute; too short a life is judged where it leaves") \
	X(IP, 6, IP_RECVOPTS, "receiving only") \
	X(IP, 7, IP_RETOPTS, "receiving only: ping") \
	X(IP, 8, IP_PKTINFO, "receiving only: servers on several addresses") \
	X(IP, 10, IP_MTU_DISCOVER, "DNS, QUIC") \
	X(IP, 11, IP_RECVERR, "errors come to UDP sockets: the C library's resolver") \
	X(IP, 12, IP_RECVTTL, "receiving only") \
	X(IP, 13, IP_RECVTOS, "receiving only: QUIC") \
	X(IP, 20, IP_RECVORIGDSTADDR, "receiving only") \
	X(IP, 24, IP_BIND_ADDRESS_NO_PORT, "clients with many connections: nginx") \
	X(IP, 26, IP_RECVERR_RFC4884, "receiving only") \
	X(IP, 33, IP_MULTICAST_TTL, "Java, ping; joining and sending are refused") \
	X(IP, 34, IP_MULTICAST_LOOP, "the same") \
	X(IP, 49, IP_MULTICAST_ALL, "Java sets it on every UDP socket") \
	X(IP, 51, IP_LOCAL_PORT_RANGE, "of its own ports") \
	X(IPV6, 2, IPV6_2292PKTINFO, "receiving only: old programs") \
	X(IPV6, 8, IPV6_2292HOPLIMIT, "receiving only: old programs") \
	X(IPV6, 16, IPV6_UNICAST_HOPS, "ping, traceroute") \
	X(IPV6, 18, IPV6_MULTICAST_HOPS, "Java sets it on every UDP socket") \
	X(IPV6, 19, IPV6_MULTICAST_LOOP, "the same") \
	X(IPV6, 23, IPV6_MTU_DISCOVER, "DNS, QUIC") \
	X(IPV6, 24, IPV6_MTU, "how large packets are: DNS") \
	X(IPV6, 25, IPV6_RECVERR, "errors come to UDP sockets: the C library's resolver") \
	X(IPV6, 26, IPV6_V6ONLY, "servers") \
	X(IPV6, 29, IPV6_MULTICAST_ALL, "Java sets it on every UDP socket") \
	X(IPV6, 31, IPV6_RECVERR_RFC4884, "receiving only") \
	X(IPV6, 49, IPV6_RECVPKTINFO, "receiving only: servers on several addresses") \
	X(IPV6, 51, IPV6_RECVHOPLIMIT, "receiving only: ping") \
	X(IPV6, 60, IPV6_RECVPATHMTU, "receiving only") \
	X(IPV6, 62, IPV6_DONTFRAG, "DNS, QUIC") \
	X(IPV6, 66, IPV6_RECVTCLASS, "receiving only: QUIC") \
	X(IPV6, 67, IPV6_TCLASS, "ssh, SIP, QUIC") \
	X(IPV6, 70, IPV6_AUTOFLOWLABEL, "the kernel makes the label") \
	X(IPV6, 72, IPV6_ADDR_PREFERENCES, "which of its own addresses") \
	X(IPV6, 74, IPV6_RECVORIGDSTADDR, "receiving only") \
	X(NETLINK, 1, NETLINK_ADD_MEMBERSHIP, "hearing of addresses and routes") \
	X(NETLINK, 2, NETLINK_DROP_MEMBERSHIP, "the same") \
	X(NETLINK, 3, NETLINK_PKTINFO, "receiving only") \
	X(NETLINK, 4, NETLINK_BROADCAST_ERROR, "what it did not hear") \
	X(NETLINK, 5, NETLINK_NO_ENOBUFS, "the same") \
	X(NETLINK, 10, NETLINK_CAP_ACK, "shorter answers") \
	X(NETLINK, 11, NETLINK_EXT_ACK, "better errors") \
	X(NETLINK, 12, NETLINK_GET_STRICT_CHK, "dumps of one thing")

/* Refused options that people may ask about, with the reason. For messages only. */
#define WALL_REFUSED_OPTIONS(X) \
	X(SOCKET, 5, SO_DONTROUTE, "ignores the routes") \
	X(SOCKET, 11, SO_NO_CHECK, "leaves checksums out") \
	X(SOCKET, 25, SO_BINDTODEVICE, "names a device") \
	X(SOCKET, 26, SO_ATTACH_FILTER, "resets would be ignored") \
	X(SOCKET, 36, SO_MARK, "marks belong to the firewall") \
	X(SOCKET, 51, SO_ATTACH_REUSEPORT_CBPF, "a program chooses who gets a packet") \
	X(SOCKET, 52, SO_ATTACH_REUSEPORT_EBPF, "a program chooses who gets a packet") \
	X(SOCKET, 60, SO_ZEROCOPY, "what was checked could still change") \
	X(SOCKET, 61, SO_TXTIME, "needs a device") \
	X(SOCKET, 62, SO_BINDTOIFINDEX, "names a device") \
	X(TCP, 19, TCP_REPAIR, "rewrites a connection") \
	X(TCP, 30, TCP_FASTOPEN_CONNECT, "payload before there is a connection") \
	X(TCP, 31, TCP_ULP, "another protocol in the kernel") \
	X(UDP, 1, UDP_CORK, "a datagram that is begun now and ended later") \
	X(UDP, 100, UDP_ENCAP, "packets in packets") \
	X(IP, 3, IP_HDRINCL, "a self-made header") \
	X(IP, 4, IP_OPTIONS, "source routes") \
	X(IP, 15, IP_FREEBIND, "a foreign address") \
	X(IP, 16, IP_IPSEC_POLICY, "packets in packets") \
	X(IP, 17, IP_XFRM_POLICY, "packets in packets") \
	X(IP, 19, IP_TRANSPARENT, "a foreign address") \
	X(IP, 21, IP_MINTTL, "resets would be ignored") \
	X(IP, 32, IP_MULTICAST_IF, "names a device") \
	X(IP, 35, IP_ADD_MEMBERSHIP, "the kernel tells the neighbours which groups are joined") \
	X(IP, 39, IP_ADD_SOURCE_MEMBERSHIP, "the kernel tells the neighbours which groups are joined") \
	X(IP, 42, MCAST_JOIN_GROUP, "the kernel tells the neighbours which groups are joined") \
	X(IP, 50, IP_UNICAST_IF, "names a device") \
	X(IPV6, 1, IPV6_ADDRFORM, "turns it into an IPv4 socket") \
	X(IPV6, 6, IPV6_2292PKTOPTIONS, "names a device, routes, headers") \
	X(IPV6, 9, IPV6_NEXTHOP, "ignores the routes") \
	X(IPV6, 17, IPV6_MULTICAST_IF, "names a device") \
	X(IPV6, 20, IPV6_JOIN_GROUP, "the kernel tells the neighbours which groups are joined") \
	X(IPV6, 27, IPV6_JOIN_ANYCAST, "the kernel tells the neighbours which groups are joined") \
	X(IPV6, 32, IPV6_FLOWLABEL_MGR, "data in the header") \
	X(IPV6, 42, MCAST_JOIN_GROUP, "the kernel tells the neighbours which groups are joined") \
	X(IPV6, 50, IPV6_PKTINFO, "names a device") \
	X(IPV6, 54, IPV6_HOPOPTS, "extension headers") \
	X(IPV6, 57, IPV6_RTHDR, "source routes") \
	X(IPV6, 59, IPV6_DSTOPTS, "extension headers") \
	X(IPV6, 75, IPV6_TRANSPARENT, "a foreign address") \
	X(IPV6, 76, IPV6_UNICAST_IF, "names a device") \
	X(IPV6, 78, IPV6_FREEBIND, "a foreign address")
/* clang-format on */

#endif
