/* SPDX-License-Identifier: MIT */
/* The random numbers of tests. */
#pragma once

#include "base/rng.h"
