/* SPDX-License-Identifier: MIT */
#pragma once

#include "kernels/conv.h"

pq_conv_fn pq_conv_row_neon;
