/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The escape fuzzer: what player and far end share. See tests/net/escape.
 *
 * Every payload bears canaries, 16 bytes of text each: which program wrote it, in which step, what
 * kind of payload it stood in, and for HTTP and TLS which name. The far end judges each by where
 * it arrived; so whatever road a packet took, and whatever the player believed about its sockets,
 * a canary in the wrong place is a leak. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define CANARY_MAGIC "cNrY"
#define CANARY_BYTES 16
/* Kinds: R raw, at the start of a stream or a datagram; H HTTP request; T TLS hello; D behind a
 * hello; B in the body of a request whose Host is allowed; N not known, since a write was cut; Q in the
 * name that a DNS question asks for. */
#define CANARY_NO_NAME 9

/* escape_name[i] is what name i of a canary stands for. */
enum { ESCAPE_NAMES = 4 };
extern const char *const escape_names[ESCAPE_NAMES];

#define ESCAPE_SLOTS    4
#define ESCAPE_STEPS    16
#define ESCAPE_MESSAGES 3
#define ESCAPE_CMSGS    2

enum escape_op {
	OP_SOCKET,
	OP_BIND,
	OP_BIND_AS, /* to the local port of another socket */
	OP_CONNECT,
	OP_CONNECT_AS, /* to the peer of another socket */
	OP_TWIN,       /* a new socket with the four-tuple of another, by another device */
	OP_DISCONNECT,
	OP_OPTION,
	OP_RANDOM_OPTION,
	OP_SEND,
	OP_SEND_TO,
	OP_LISTEN,
	OP_ACCEPT,
	OP_RECEIVE,
	OP_SHUTDOWN,
	OP_RESET,
	OP_CLOSE,
	OP_GIVE,     /* it is closed, and somebody outside the fence has its port */
	OP_OUTSIDER, /* somebody outside the fence comes */
	OP_LEAVE,    /* and goes */
	OP_LOOKUP,
	OP_PAUSE,
	ESCAPE_OPS
};

enum escape_type { TYPE_TCP, TYPE_UDP, TYPE_PING };

struct escape_to {
	uint8_t address; /* in escape_addresses */
	uint8_t port;    /* in escape_ports, or from ESCAPE_OWN_PORT on one of the worker's own */
	uint8_t scope;   /* index of a device */
};

struct escape_message {
	char kind; /* R, H, T, Q */
	uint8_t name;
	uint8_t body; /* H: 0 none, 1 length, 2 chunked, 3 length and less than that */
	uint16_t bytes;
};

struct escape_cmsg {
	uint8_t which; /* in escape_cmsgs */
	uint8_t device;
	uint8_t address;
	uint32_t value;
};

struct escape_step {
	uint8_t op, slot, other;
	bool async; /* by the second thread, while the first goes on */
	bool wait;
	bool both; /* OP_TWIN: the other one is made, too */
	bool v6;
	uint8_t type;
	bool fenced, client; /* OP_GIVE and the like: which others, and what they do */
	uint8_t guest;
	struct escape_to to, peer;
	uint8_t option; /* in escape_options */
	uint8_t device, address;
	int level, name;
	uint32_t value;
	int flags;
	uint8_t n_messages, n_cuts, n_cmsgs;
	struct escape_message messages[ESCAPE_MESSAGES];
	uint16_t cuts[4]; /* of 65536 */
	struct escape_cmsg cmsgs[ESCAPE_CMSGS];
};

struct escape_program {
	unsigned n;
	struct escape_step steps[ESCAPE_STEPS];
};

/* What a value of an option is made of. */
enum escape_value {
	VALUE_INT,
	VALUE_DEVICE,
	VALUE_DEVICE_BE,
	VALUE_DEVICE_NAME,
	VALUE_MREQN,
	VALUE_MREQ6,
	VALUE_PKTINFO6,
	VALUE_LINGER,
	VALUE_BYTES,
	VALUE_FAMILY,
	VALUE_TEXT
};

struct escape_option {
	int level, name;
	uint8_t value; /* enum escape_value */
	uint8_t weight;
	const char *text;
};

/* What a program asks of those outside its fence (outsiders.c); the answer is an int32_t, 0 or -errno. */
#define ESCAPE_GUESTS 2 /* of each worker in each place */
struct escape_request {
	bool open;     /* else it only goes */
	uint8_t guest; /* ESCAPE_GUESTS: all go */
	uint8_t type;
	bool client; /* it connects to the peer */
	bool v6only;
	bool
	    sure; /* what this program wrote in earlier steps was sent before, and in later ones after */
	uint8_t step;
	uint32_t program;
	struct sockaddr_storage at, peer;
};

/* in escape_ports: from here on those that programs about this machine use, mostly */
#define ESCAPE_FIRST_HERE 14
/* and where the player has found them: the fence's resolver and the other fence's */
#define ESCAPE_RESOLVER_PORT       17
#define ESCAPE_OTHER_RESOLVER_PORT 18
#define ESCAPE_OWN_PORT            100
#define ESCAPE_OWN_PORTS           3
#define ESCAPE_DEVICES             4 /* none, lo, a0, one that is not there */

struct escape_address {
	const char *text;
	uint8_t to, bind; /* weights */
};

extern const struct escape_option escape_options[], escape_cmsgs[];
extern const unsigned escape_n_options, escape_n_cmsgs;
extern const struct escape_address escape_addresses[];
extern const unsigned escape_n_addresses;
extern uint16_t escape_ports[];
extern const unsigned escape_n_ports;
extern const char *const escape_devices[ESCAPE_DEVICES];

/* Of an address without a device. */
void escape_sockaddr(const char *address, uint16_t port, struct sockaddr_storage *ret);
const char *escape_op_text(uint8_t op);
uint64_t escape_random(uint64_t *state);
/* Program k of a seed: always the same. */
void escape_generate(uint64_t seed, uint32_t k, struct escape_program *ret_program);
void escape_print(FILE *f, const struct escape_program *p, uint64_t skip);
