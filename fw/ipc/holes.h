/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holes for tests: a build with -DAGENTFW_HOLES has the one that AGENTFW_HOLE names. With them the
 * tests show that the search for holes finds one, and that each wall holds without the other. Any
 * other build has none. */
#ifndef AGENTFW_HOLES_H
#define AGENTFW_HOLES_H

#ifdef AGENTFW_HOLES
#include <stdlib.h>
#include <string.h>

/* "no-socket-wall"  the rules alone
 * "no-kernel-wall"  the socket wall alone: the rules let everything go, and mark nothing
 * "device"          the rules alone, and they do not ask by which device a packet leaves
 * "burst"           packets queued before a verdict begin a connection anew
 * "own"             whoever listens on this machine gets what goes there
 * "udp"             the rules alone, and a flow of UDP on this machine that was verified is, in both
 *                   directions, for whoever is at its ends
 * "ring-length"     a record in the ring may be longer than any
 * "learn-count"     a message may say that it has more addresses than it has
 * "gate-count"      the same, of verdicts
 * "seals"           a policy may be changed when it has been handed over
 * "passed"          descriptors that came with a message stay
 * "speaks"          everybody may speak to the daemon */
static inline int hole(const char *name)
{
	const char *it = getenv("AGENTFW_HOLE");

	return it && strcmp(it, name) == 0;
}
/* Holes of the rules, to which the fence has no socket wall that would stand behind them. */
static inline int hole_without_wall(void)
{
	return hole("no-socket-wall") || hole("device") || hole("udp");
}
/* A program in the place of the engine (tests/lab/hostile_engine.c); NULL: none. */
static inline const char *hole_engine(void)
{
	return getenv("AGENTFW_HOSTILE");
}
#else
#define hole(name)          0
#define hole_without_wall() 0
#define hole_engine()       NULL
#endif

#endif
