/* SPDX-License-Identifier: MIT */
/* TensorProto: a shape, a type, and the elements in one of six places. */
#pragma once

#include "model/onnx_file.h"

/* message is the TensorProto; *out is filled. Elements that lie as numbers of another width are
 * copied into memory of sd; external ones stay unread. *why is the rest of a sentence where the
 * message makes no sense; NULL where memory ran out. */
int pq_onnx_tensor_read(struct pq_wire message, struct pq_statedict *sd, struct pq_onnx_tensor *out,
                        const char **why);

/* Fetch the external data of all tensors: from files in the folder of sd->map, regular, with one
 * name, reached over no link. */
int pq_onnx_external_read(struct pq_statedict *sd, struct pq_onnx_tensor *tensors, size_t count,
                          pique_error *err);

/* "float", "uint8"; NULL where there is no such type. */
const char *pq_onnx_type_name(int type);
