/* SPDX-License-Identifier: MIT */
/* docs/openapi.json, in the program. */
    .section .rodata
    .global pq_openapi_json
    .global pq_openapi_json_end
    .hidden pq_openapi_json
    .hidden pq_openapi_json_end
pq_openapi_json:
    .incbin PIQUE_OPENAPI
pq_openapi_json_end:
    .section .note.GNU-stack, "", %progbits
