// SPDX-License-Identifier: GPL-2.0-or-later
/* Lets TCP send the whole of a first payload while the firewall holds its beginning.
 *
 * A first payload in pieces is not acknowledged before it is complete and judged. To TCP that looks
 * like loss: when its timer expires it shrinks the window to one segment, sends that again, and
 * never the rest. So at that moment these programs reset the window to its initial size and push
 * what waits, until the first payload is acknowledged.
 *
 * Only a congestion control may write the window. So a socket gets one of ours while TCP handles
 * the timer, and then its own again.
 *
 * The kernel's types are declared here with the members that are used; the loader finds those by
 * name. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "fw/bpf/flight_shared.h"

#define TCP_NODELAY_    1
#define TCP_CONGESTION_ 13
#define TCP_CA_LOSS     4
#define INITIAL_WINDOW  10 /* segments: RFC 6928 */
#define SYN_ALONE       1  /* acknowledged bytes of a new connection */

struct sock {
} __attribute__((preserve_access_index));

struct tcp_sock {
	__u32 snd_cwnd;
} __attribute__((preserve_access_index));

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	void (*set_state)(struct sock *sk, __u8 state);
	__u32 (*undo_cwnd)(struct sock *sk);
	char name[FLIGHT_NAME_BYTES];
};

extern __u32 tcp_reno_ssthresh(struct sock *sk) __ksym;
extern void tcp_reno_cong_avoid(struct sock *sk, __u32 ack, __u32 acked) __ksym;
extern __u32 tcp_reno_undo_cwnd(struct sock *sk) __ksym;

char _license[] SEC("license") = "GPL";

/* ---- the congestion control: Reno, but for the window after a timer -------------------------- */

SEC("struct_ops/flight_ssthresh")
__u32 BPF_PROG(flight_ssthresh, struct sock *sk)
{
	return tcp_reno_ssthresh(sk);
}

SEC("struct_ops/flight_cong_avoid")
void BPF_PROG(flight_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
	tcp_reno_cong_avoid(sk, ack, acked);
}

SEC("struct_ops/flight_undo_cwnd")
__u32 BPF_PROG(flight_undo_cwnd, struct sock *sk)
{
	return tcp_reno_undo_cwnd(sk);
}

/* Called after TCP has set the window for loss. */
SEC("struct_ops/flight_set_state")
void BPF_PROG(flight_set_state, struct sock *sk, __u8 state)
{
	if (state == TCP_CA_LOSS)
		((struct tcp_sock *)sk)->snd_cwnd = INITIAL_WINDOW;
}

SEC(".struct_ops")
struct tcp_congestion_ops flight_control = {
    .ssthresh = (void *)flight_ssthresh,
    .cong_avoid = (void *)flight_cong_avoid,
    .set_state = (void *)flight_set_state,
    .undo_cwnd = (void *)flight_undo_cwnd,
    .name = FLIGHT_NAME,
};

/* ---- when a socket has it -------------------------------------------------------------------- */

const volatile char ours[FLIGHT_NAME_BYTES] = FLIGHT_NAME;

struct control {
	char name[FLIGHT_NAME_BYTES]; /* the socket's own control, while it has ours; else empty */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct control);
} own SEC(".maps");

static __always_inline bool is_ours(const char *name)
{
	for (int i = 0; i < FLIGHT_NAME_BYTES; i++)
		if (name[i] != ours[i])
			return false;
	return true;
}

static __always_inline int set(struct bpf_sock_ops *ctx, const volatile char *name)
{
	return bpf_setsockopt(ctx, IPPROTO_TCP, TCP_CONGESTION_, (void *)name, FLIGHT_NAME_BYTES);
}

static __always_inline void take_ours(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct control *c = bpf_sk_storage_get(&own, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!c || c->name[0] ||
	    bpf_getsockopt(ctx, IPPROTO_TCP, TCP_CONGESTION_, c->name, sizeof(c->name)))
		return;
	if (set(ctx, ours))
		c->name[0] = 0;
	else
		bpf_sock_ops_cb_flags_set(ctx, BPF_SOCK_OPS_RTO_CB_FLAG |
						   BPF_SOCK_OPS_RETRANS_CB_FLAG |
						   BPF_SOCK_OPS_RTT_CB_FLAG);
}

/* true: the socket had ours. If the program has set another meanwhile, that one stays. */
static __always_inline bool give_back(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct control *c = bpf_sk_storage_get(&own, sk, 0, 0);
	char now[FLIGHT_NAME_BYTES] = {};

	if (!c || !c->name[0])
		return false;
	bpf_getsockopt(ctx, IPPROTO_TCP, TCP_CONGESTION_, now, sizeof(now));
	if (is_ours(now))
		set(ctx, c->name);
	c->name[0] = 0;
	return true;
}

SEC("sockops")
int flight_events(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	int yes = 1;

	if (!sk)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ctx,
					  BPF_SOCK_OPS_RTO_CB_FLAG | BPF_SOCK_OPS_RETRANS_CB_FLAG);
		break;
	case BPF_SOCK_OPS_RTO_CB: /* before TCP sets the window */
		if (ctx->bytes_acked <= SYN_ALONE &&
		    !ctx->args[2]) /* args[2]: TCP gives up, and nothing follows */
			take_ours(ctx, sk);
		break;
	case BPF_SOCK_OPS_RETRANS_CB: /* after that, when it has sent again */
		if (give_back(ctx, sk))
			bpf_setsockopt(ctx, IPPROTO_TCP, TCP_NODELAY_, &yes, sizeof(yes));
		break;
	case BPF_SOCK_OPS_RTT_CB: /* acknowledged before TCP has sent again */
		give_back(ctx, sk);
		bpf_sock_ops_cb_flags_set(ctx, 0);
		break;
	}
	return 1;
}
