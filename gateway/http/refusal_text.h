/* refusal_text: the body of an answer to a request that was refused before there was an exchange: the
 * same for every version of HTTP. Pure. */
#ifndef GATEWAY_HTTP_REFUSAL_TEXT_H
#define GATEWAY_HTTP_REFUSAL_TEXT_H

#include "gateway/http/validate.h"

/* Spec LR-10 to LR-18. May be empty. */
struct str refusal_text(const struct refusal *refusal);

#endif
