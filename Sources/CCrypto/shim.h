// SPDX-License-Identifier: Apache-2.0
// SHA256_Init and its like are called deprecated since 3.0 for having no provider.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
