/* Does a packet that stays on this machine go to a listener of the fence itself? The kernel is
 * asked (sock_diag) who would get it, each time. Asking for everybody that listens there costs the
 * more the more sockets there are, so that is bounded: what was found holds for some milliseconds,
 * and a fence that has many listeners asked for gets "no" for the rest of a tenth of a second. */
#ifndef AGENTFW_OWN_H
#define AGENTFW_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/addr.h"

#define OWN_PLACES    16
#define OWN_HOLDS_MS  20
#define OWN_WINDOW_MS 100
#define OWN_WINDOW_US 20000 /* of processor time for asking, in one window */

struct own { /* of one fence; zero-initialised */
	struct own_place {
		uint64_t until_ms;
		struct addr a;
		uint16_t port;
		uint8_t l4proto;
	} place[OWN_PLACES];
	uint64_t window, spent_us;
};

struct own_query {
	uint8_t l4proto; /* TCP or UDP */
	struct addr src, dst;
	uint16_t sport, dport;
	uint64_t cgroup_id;
};

/* Every socket that could get it is of that cgroup. fd: of sockdiag_open. */
bool own_listener(struct own *o, int fd, const struct own_query *q, uint64_t now_ms);

#endif
