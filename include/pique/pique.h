/* SPDX-License-Identifier: MIT */
/* The whole public API of pique, an AI upscaler for pictures.
 *
 * Open a model, make an engine, then either hand it files (picture.h) or rows (engine.h):
 *
 *     pique_model *model; pique_engine *engine; pique_error err;
 *     pique_model_open("realesr-animevideov3-x4.param", &model, &err);
 *     pique_engine_open(model, NULL, &engine, &err);
 *     pique_picture_upscale(engine, "in.png", "out.png", NULL, NULL, &err);
 *
 * Conventions: functions return 0 or a negative enum pique_status and put a sentence for the
 * person into err; option structs begin with their size, so that they can grow; parameters are
 * borrowed for the call unless said otherwise; close functions take &p, accept NULL and leave
 * NULL. */
#ifndef PIQUE_PIQUE_H
#define PIQUE_PIQUE_H

#include "engine.h"
#include "error.h"
#include "film.h"
#include "look.h"
#include "measure.h"
#include "model.h"
#include "picture.h"
#include "sheet.h"

#endif
