/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef AGENTFW_NAME_SERVER_H
#define AGENTFW_NAME_SERVER_H

#include <stdint.h>

#include "policy/base/addr.h"

struct name_server {
	struct addr addr;
	uint16_t port;
};

#endif
