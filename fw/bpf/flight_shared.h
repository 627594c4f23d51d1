/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs of flight.bpf.c and their loader (fw/bpf/flight.c) have in common. */
#ifndef AGENTFW_BPF_FLIGHT_H
#define AGENTFW_BPF_FLIGHT_H

/* The congestion control's name. Names are unique per machine, so the loader replaces the digits by
 * random letters. The kernel takes letters, digits, _ and . only. */
#define FLIGHT_NAME       "agentfw_0000000"
#define FLIGHT_NAME_BYTES 16 /* TCP_CA_NAME_MAX */

#endif
