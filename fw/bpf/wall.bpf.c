// SPDX-License-Identifier: GPL-2.0-or-later
/* The socket wall: programs on a fence's cgroup, which the kernel runs for each call that makes or
 * changes a socket of the fence, and for each packet that such a socket sends. They stay attached
 * as long as the cgroup exists, whatever process dies.
 *
 * The firewall's rules judge packets. But a socket has settings that its packets do not show: the
 * device that it is bound to, the address that it took, how the kernel wraps its packets. The wall
 * refuses such settings, by lists of what programs need. It also drops every packet that the rules
 * have not judged, even if the rules are gone.
 *
 * No internal type of the kernel is used: the program is the same for every kernel from 5.15 on. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "fw/bpf/options.h"
#include "fw/bpf/wall_shared.h"

#define AF_INET_        2
#define AF_INET6_       10
#define SOCK_STREAM_    1
#define SOCK_DGRAM_     2
#define IPPROTO_ICMPV6_ 58
#define SOL_SOCKET_     1
#define TCP_NODELAY_    1
#define TCP_MAXSEG_     2
#define TCP_DEFER_ACC_  9
#define SEGMENT_BYTES   32000 /* the kernel joins segments, up to 64 kB */
/* The initial window's segments, and together less than the kernel shows of a packet: over loopback
 * it joins more than 64 kB. */
#define LO_SEGMENT_BYTES 6000
#define LO_SEGMENTS      10
#define SO_REUSEADDR_    2
#define SO_REUSEPORT_    15
#define SO_BROADCAST_    6
#define ETH_P_IP_        0x0800
#define ETH_P_IPV6_      0x86dd
#define LO_IFINDEX       1 /* in every network namespace */
#define OPTION_BYTES     4096
#define SECOND_NS        1000000000ull
#define TCP_FLAGS        0x3f
#define TCP_SYN_ACK      0x12

enum { REFUSE = 0, PASS = 1 };

/* Linux 6.1 and later tell the caller of setsockopt. Set by the loader, so that an older verifier
 * never sees the code that asks. */
const volatile bool knows_caller = true;
const volatile int fence_level = 0; /* where the fences' cgroups stand; set by the loader */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WALL_RING_BYTES);
} events SEC(".maps");

struct { /* by the cgroup that the program is attached to, not the caller's */
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, __u64);
	__type(value, struct wall_fence);
} fences SEC(".maps");

struct { /* set: see ties_port */
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u8);
} narrowed SEC(".maps");

char _license[] SEC("license") = "GPL";

/* ---- telling --------------------------------------------------------------------------------- */

/* NULL: the event is only counted. The limit per second keeps a flooding fence from filling the
 * ring. */
static __always_inline struct wall_event *event(enum wall_kind kind)
{
	struct wall_fence *f = bpf_get_local_storage(&fences, 0);
	__u64 now = bpf_ktime_get_ns();
	struct wall_event *ev;

	if (now - f->window_ns >= SECOND_NS) {
		f->window_ns = now;
		f->told = 0;
	}
	ev = f->told < WALL_EVENTS_PER_SEC ? bpf_ringbuf_reserve(&events, sizeof(*ev), 0) : 0;
	if (!ev) {
		__sync_fetch_and_add(&f->lost, 1);
		return 0;
	}
	__sync_fetch_and_add(&f->told, 1);
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->cgroup = f->cgroup;
	ev->kind = kind;
	ev->uid = (__u32)bpf_get_current_uid_gid();
	return ev;
}

static __always_inline void caller(struct wall_event *ev)
{
	ev->pid = (__u32)(bpf_get_current_pid_tgid() >> 32);
	bpf_get_current_comm(ev->comm, sizeof(ev->comm));
}

/* ---- sockets --------------------------------------------------------------------------------- */

SEC("cgroup/sock_create")
int wall_socket(struct bpf_sock *ctx)
{
	__u32 family = ctx->family, type = ctx->type, protocol = ctx->protocol;
	struct wall_event *ev;

	if (family != AF_INET_ && family != AF_INET6_)
		return PASS;
	if (type == SOCK_STREAM_ && protocol == IPPROTO_TCP)
		return PASS;
	if (type == SOCK_DGRAM_ &&
	    (protocol == IPPROTO_UDP ||
	     protocol == (family == AF_INET_ ? IPPROTO_ICMP : IPPROTO_ICMPV6_)))
		return PASS;
	ev = event(WALL_SOCKET);
	if (ev) {
		caller(ev);
		ev->family = family;
		ev->type = type;
		ev->protocol = protocol;
		bpf_ringbuf_submit(ev, 0);
	}
	return REFUSE;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Multicast and broadcast, loopback's broadcast too: no single receiver could be allowed. The
 * broadcast addresses of the machine's networks are not known here. */
static __always_inline bool bad4(__u32 be)
{
	__u32 a = bpf_ntohl(be);

	return a >> 28 == 0xe || a == 0xffffffff || a == 0x7fffffff;
}

/* Does it hold an IPv4 address, for the kernel or for a translator on the way? */
static __always_inline bool embeds(const __u32 a[4])
{
	return !a[0] && !a[1] && (a[2] == bpf_htonl(0xffff) || a[2] == bpf_htonl(0xffff0000));
}

/* A link-local address names a device, too: even a failed call leaves the socket bound to that. */
static __always_inline bool bad6(const __u32 a[4])
{
	__u32 first = bpf_ntohl(a[0]);

	return first >> 22 == 0xfe80 >> 6 || first >> 24 == 0xff || (embeds(a) && bad4(a[3]));
}

static __always_inline bool to_loopback(const __u32 a[4])
{
	if (embeds(a))
		return bpf_ntohl(a[3]) >> 24 == 127;
	return !a[0] && !a[1] && !a[2] && a[3] == bpf_htonl(1);
}

static __always_inline int refuse_address(struct bpf_sock_addr *ctx, enum wall_kind kind,
					  const __u32 *addr, __u32 family)
{
	struct wall_event *ev = event(kind);

	if (!ev)
		return REFUSE;
	caller(ev);
	ev->family = family;
	ev->type = ctx->type;
	ev->protocol = ctx->protocol;
	ev->port = bpf_ntohs((__u16)ctx->user_port);
	ev->addr[0] = addr[0];
	if (family == AF_INET6_) {
		ev->addr[1] = addr[1];
		ev->addr[2] = addr[2];
		ev->addr[3] = addr[3];
	}
	bpf_ringbuf_submit(ev, 0);
	return REFUSE;
}

static __always_inline int check4(struct bpf_sock_addr *ctx, enum wall_kind kind)
{
	__u32 to = ctx->user_ip4;

	return bad4(to) ? refuse_address(ctx, kind, &to, AF_INET_) : PASS;
}

static __always_inline int check6(struct bpf_sock_addr *ctx, enum wall_kind kind)
{
	__u32 to[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};

	return bad6(to) ? refuse_address(ctx, kind, to, AF_INET6_) : PASS;
}

SEC("cgroup/bind4")
int wall_bind4(struct bpf_sock_addr *ctx)
{
	return check4(ctx, WALL_BIND);
}

SEC("cgroup/bind6")
int wall_bind6(struct bpf_sock_addr *ctx)
{
	return check6(ctx, WALL_BIND);
}

/* Packets that the firewall holds are not acknowledged. So a write must not wait for the
 * acknowledgement of an earlier one (Nagle). Nor may a packet be longer than the kernel shows, as
 * segments over loopback may be. Kernels before 6.0 refuse these options here, and work without
 * them. */
static __always_inline void can_be_held(struct bpf_sock_addr *ctx, bool loopback)
{
	int yes = 1, segment = loopback ? LO_SEGMENT_BYTES : SEGMENT_BYTES, window = LO_SEGMENTS;

	if (ctx->type != SOCK_STREAM_)
		return;
	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_NODELAY_, &yes, sizeof(yes));
	bpf_setsockopt(ctx, IPPROTO_TCP, TCP_MAXSEG_, &segment, sizeof(segment));
	if (loopback)
		bpf_setsockopt(ctx, IPPROTO_TCP, TCP_BPF_SNDCWND_CLAMP, &window, sizeof(window));
}

/* connect(2) narrows a UDP socket with a port at all addresses to one of them, and from then on
 * another process may bind the port at the others. Disconnecting widens the socket again, and the
 * kernel does not look whether the port is still its own. So a socket that was narrowed may not
 * connect or send once it is wide again. An ephemeral port is given back on disconnecting. */
static __always_inline bool ties_port(struct bpf_sock_addr *ctx, bool connects)
{
	struct bpf_sock *sk = ctx->sk;
	__u8 *was;

	/* src_ip4 of an IPv6 socket is 0 if it is bound to all addresses, and only then */
	if (!sk || ctx->protocol != IPPROTO_UDP || sk->src_ip4 || !sk->src_port)
		return true;
	was = bpf_sk_storage_get(&narrowed, sk, 0, connects ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!was)
		return !connects;
	if (*was)
		return false;
	*was = connects;
	return true;
}

SEC("cgroup/connect4")
int wall_connect4(struct bpf_sock_addr *ctx)
{
	__u32 to = ctx->user_ip4;

	if (!ties_port(ctx, true))
		return refuse_address(ctx, WALL_UNTIED, &to, AF_INET_);
	can_be_held(ctx, bpf_ntohl(to) >> 24 == 127);
	return check4(ctx, WALL_CONNECT);
}

SEC("cgroup/connect6")
int wall_connect6(struct bpf_sock_addr *ctx)
{
	const __u32 to[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
			     ctx->user_ip6[3]};

	if (!ties_port(ctx, true))
		return refuse_address(ctx, WALL_UNTIED, to, AF_INET6_);
	can_be_held(ctx, to_loopback(to));
	return check6(ctx, WALL_CONNECT);
}

/* The source address comes from a control message. A socket that is bound to one address has its
 * port at that one only: at the others it may be another process's. A message that names none (but
 * perhaps a device) would have the route choose: it is the socket's own, as without a message. */
SEC("cgroup/sendmsg4")
int wall_sendmsg4(struct bpf_sock_addr *ctx)
{
	__u32 from = ctx->msg_src_ip4, to = ctx->user_ip4;
	struct bpf_sock *sk = ctx->sk;

	if (bad4(from))
		return refuse_address(ctx, WALL_SOURCE, &from, AF_INET_);
	if (!from && sk && sk->src_ip4)
		ctx->msg_src_ip4 = from = sk->src_ip4;
	if (sk && sk->src_ip4 && sk->src_ip4 != from)
		return refuse_address(ctx, WALL_OTHER_SOURCE, &from, AF_INET_);
	if (!ties_port(ctx, false))
		return refuse_address(ctx, WALL_UNTIED, &to, AF_INET_);
	return check4(ctx, WALL_SENDMSG);
}

static __always_inline bool other_source6(const struct bpf_sock_addr *ctx, const __u32 from[4])
{
	struct bpf_sock *sk = ctx->sk;
	__u32 own[4];

	if (!sk)
		return false;
	own[0] = sk->src_ip6[0];
	own[1] = sk->src_ip6[1];
	own[2] = sk->src_ip6[2];
	own[3] = sk->src_ip6[3];
	if (!(own[0] | own[1] | own[2] | own[3]) || !(from[0] | from[1] | from[2] | from[3]))
		return false;
	return own[0] != from[0] || own[1] != from[1] || own[2] != from[2] || own[3] != from[3];
}

SEC("cgroup/sendmsg6")
int wall_sendmsg6(struct bpf_sock_addr *ctx)
{
	__u32 to[4] = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]};
	__u32 from[4] = {ctx->msg_src_ip6[0], ctx->msg_src_ip6[1], ctx->msg_src_ip6[2],
			 ctx->msg_src_ip6[3]};

	if (bad6(from))
		return refuse_address(ctx, WALL_SOURCE, from, AF_INET6_);
	if (other_source6(ctx, from))
		return refuse_address(ctx, WALL_OTHER_SOURCE, from, AF_INET6_);
	if (!ties_port(ctx, false))
		return refuse_address(ctx, WALL_UNTIED, to, AF_INET6_);
	return check6(ctx, WALL_SENDMSG);
}

/* ---- options --------------------------------------------------------------------------------- */

/* The table of options.h as a bit per number, made by the compiler. */
#define BIT_IN(lv, word, level, number)                                                            \
	((lv) == WALL_LEVEL_##level && (word) == (number) / 64 ? 1ull << (number) % 64 : 0)
#define BITS_OF(lv, word)          (0 WALL_OPTIONS(X_##lv##_##word))
#define X_SOCKET_0(level, n, ...)  | BIT_IN(WALL_LEVEL_SOCKET, 0, level, n)
#define X_SOCKET_1(level, n, ...)  | BIT_IN(WALL_LEVEL_SOCKET, 1, level, n)
#define X_TCP_0(level, n, ...)     | BIT_IN(WALL_LEVEL_TCP, 0, level, n)
#define X_TCP_1(level, n, ...)     | BIT_IN(WALL_LEVEL_TCP, 1, level, n)
#define X_UDP_0(level, n, ...)     | BIT_IN(WALL_LEVEL_UDP, 0, level, n)
#define X_UDP_1(level, n, ...)     | BIT_IN(WALL_LEVEL_UDP, 1, level, n)
#define X_IP_0(level, n, ...)      | BIT_IN(WALL_LEVEL_IP, 0, level, n)
#define X_IP_1(level, n, ...)      | BIT_IN(WALL_LEVEL_IP, 1, level, n)
#define X_IPV6_0(level, n, ...)    | BIT_IN(WALL_LEVEL_IPV6, 0, level, n)
#define X_IPV6_1(level, n, ...)    | BIT_IN(WALL_LEVEL_IPV6, 1, level, n)
#define X_NETLINK_0(level, n, ...) | BIT_IN(WALL_LEVEL_NETLINK, 0, level, n)
#define X_NETLINK_1(level, n, ...) | BIT_IN(WALL_LEVEL_NETLINK, 1, level, n)

#define WITHIN(level, n, ...) _Static_assert((n) >= 0 && (n) < WALL_OPTIONS_MAX, #level);
WALL_OPTIONS(WITHIN)

static __always_inline bool listed(__s32 level, __s32 option)
{
	bool high = option >= 64;
	__u64 bits;

	if (option < 0 || option >= WALL_OPTIONS_MAX)
		return false;
	switch (level) {
	case WALL_LEVEL_SOCKET:
		bits = high ? BITS_OF(SOCKET, 1) : BITS_OF(SOCKET, 0);
		break;
	case WALL_LEVEL_TCP:
		bits = high ? BITS_OF(TCP, 1) : BITS_OF(TCP, 0);
		break;
	case WALL_LEVEL_UDP:
		bits = high ? BITS_OF(UDP, 1) : BITS_OF(UDP, 0);
		break;
	case WALL_LEVEL_IP:
		bits = high ? BITS_OF(IP, 1) : BITS_OF(IP, 0);
		break;
	case WALL_LEVEL_IPV6:
		bits = high ? BITS_OF(IPV6, 1) : BITS_OF(IPV6, 0);
		break;
	case WALL_LEVEL_NETLINK:
		bits = high ? BITS_OF(NETLINK, 1) : BITS_OF(NETLINK, 0);
		break;
	default:
		return false;
	}
	return bits >> (option & 63) & 1;
}

SEC("cgroup/setsockopt")
int wall_setsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct wall_event *ev;

	/* These options get no error and have no effect: servers and libraries set them by habit,
	 * and work without them. A UDP port is not shared: which of its sockets gets a datagram
	 * could change between the judgement and the delivery. bind(2) fails instead. There is no
	 * broadcast: the kernel gives this machine's listeners a copy of such a packet, and runs no
	 * program of the wall for it. sendto(2) fails with EACCES. No listener defers accepting:
	 * until the first payload comes such a connection has no socket with a cgroup, and the
	 * payload must find one that is the fence's. */
	if ((ctx->level == SOL_SOCKET_ &&
	     (ctx->optname == SO_BROADCAST_ ||
	      (sk && sk->protocol == IPPROTO_UDP &&
	       (ctx->optname == SO_REUSEADDR_ || ctx->optname == SO_REUSEPORT_)))) ||
	    (ctx->level == IPPROTO_TCP && ctx->optname == TCP_DEFER_ACC_)) {
		ctx->optlen = -1; /* the kernel reports success and does nothing */
		return PASS;
	}
	if (ctx->optlen > OPTION_BYTES)
		ctx->optlen = 0; /* makes the kernel use the caller's bytes, not its cut copy */
	if (listed(ctx->level, ctx->optname))
		return PASS;
	ev = event(WALL_SETSOCKOPT);
	if (ev) {
		if (knows_caller)
			caller(ev);
		ev->family = sk ? sk->family : 0;
		ev->type = sk ? sk->type : 0;
		ev->protocol = sk ? sk->protocol : 0;
		ev->level = ctx->level;
		ev->option = ctx->optname;
		bpf_ringbuf_submit(ev, 0);
	}
	return REFUSE;
}

/* ---- packets --------------------------------------------------------------------------------- */

struct packet {
	__u32 dst[4]; /* IPv4: as ::ffff:a.b.c.d */
	__u32 l4;     /* where the TCP header would begin */
	__u32 l4_bytes;
	__u8 proto;
};

static __always_inline bool read_packet(struct __sk_buff *skb, struct packet *p)
{
	__u8 h[40];

	if (skb->protocol == bpf_htons(ETH_P_IP_)) {
		if (bpf_skb_load_bytes(skb, 0, h, 20) < 0)
			return false;
		p->dst[0] = p->dst[1] = 0;
		p->dst[2] = bpf_htonl(0xffff);
		__builtin_memcpy(&p->dst[3], h + 16, 4);
		p->l4 = (h[0] & 0xfu) * 4;
		p->l4_bytes = ((__u32)h[2] << 8 | h[3]) - p->l4;
		p->proto = h[9];
		return true;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6_) || bpf_skb_load_bytes(skb, 0, h, 40) < 0)
		return false;
	__builtin_memcpy(p->dst, h + 24, 16);
	p->l4 = 40;
	p->l4_bytes = (__u32)h[4] << 8 | h[5];
	p->proto = h[6];
	return true;
}

/* A SYN-ACK without payload. Its socket has no cgroup that a rule could match. */
static __always_inline bool is_syn_ack(struct __sk_buff *skb, const struct packet *p)
{
	__u8 h[2];

	if (p->proto != IPPROTO_TCP || bpf_skb_load_bytes(skb, p->l4 + 12, h, 2) < 0)
		return false;
	return (h[1] & TCP_FLAGS) == TCP_SYN_ACK && p->l4_bytes == (__u32)(h[0] >> 4) * 4;
}

/* A socket bound to a device in a way that the rest of the wall does not see (by a 32-bit program,
 * a ping socket). A connection accepted from a link-local peer is rightly bound. */
static __always_inline bool bound(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : 0;
	return sk && sk->bound_dev_if && bpf_ntohl(p->dst[0]) >> 22 != 0xfe80 >> 6;
}

/* A datagram from an address and port that another process has: the answer would be theirs. Nobody
 * may have it any more, when the sender was quick to close its socket. The outer packet of a tunnel
 * (ESP in UDP, VXLAN) has the sender's socket, too, but not its port. */
static __always_inline bool others_source(struct __sk_buff *skb, const struct packet *p)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk = skb->sk;
	bool others;
	__u16 ports[2]; /* source, destination */
	__u32 bytes;

	if (p->proto != IPPROTO_UDP || bpf_skb_load_bytes(skb, p->l4, ports, sizeof(ports)) < 0)
		return false;
	sk = sk ? bpf_sk_fullsock(sk) : 0;
	if (!sk || sk->protocol != IPPROTO_UDP || sk->src_port != bpf_ntohs(ports[0]))
		return false;
	if (skb->protocol == bpf_htons(ETH_P_IP_)) {
		if (bpf_skb_load_bytes(skb, 12, &t.ipv4.daddr, 4) < 0)
			return true;
		t.ipv4.saddr = p->dst[3];
		t.ipv4.sport = ports[1];
		t.ipv4.dport = ports[0];
		bytes = sizeof(t.ipv4);
	} else {
		if (bpf_skb_load_bytes(skb, 8, t.ipv6.daddr, 16) < 0)
			return true;
		__builtin_memcpy(t.ipv6.saddr, p->dst, 16);
		t.ipv6.sport = ports[1];
		t.ipv6.dport = ports[0];
		bytes = sizeof(t.ipv6);
	}
	sk = bpf_sk_lookup_udp(skb, &t, bytes, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	others = bpf_sk_ancestor_cgroup_id(sk, fence_level) !=
		 bpf_skb_ancestor_cgroup_id(skb, fence_level);
	bpf_sk_release(sk);
	return others;
}

static __always_inline int drop(enum wall_drop why)
{
	struct wall_fence *f = bpf_get_local_storage(&fences, 0);

	__sync_fetch_and_add(&f->dropped[why], 1);
	return REFUSE;
}

SEC("cgroup_skb/egress")
int wall_egress(struct __sk_buff *skb)
{
	__u32 mark = skb->mark, ask = mark & WALL_ASK_MASK;
	bool lo = skb->ifindex == LO_IFINDEX;
	struct packet p;

	if (!read_packet(skb, &p))
		return drop(WALL_DROP_UNJUDGED);
	if (!lo && to_loopback(p.dst))
		return drop(WALL_DROP_LOOPBACK);
	if (bound(skb, &p))
		return drop(WALL_DROP_BOUND);
	if (others_source(skb, &p))
		return drop(WALL_DROP_SOURCE);
	if (lo && mark & WALL_STAYS && (ask == WALL_OWN || ask == WALL_PASS))
		return PASS; /* the mark stays until the packet comes in */
	if (ask != WALL_PASS && !is_syn_ack(skb, &p))
		return drop(WALL_DROP_UNJUDGED);
	if (!lo && mark & WALL_STAYS && ask == WALL_PASS)
		return drop(WALL_DROP_STAYS);
	if (mark & WALL_MARK_MASK)
		skb->mark = mark & ~WALL_MARK_MASK;
	return PASS;
}
