// AVX-512 with VNNI: dot products of bytes in one instruction.
#define FUNNELVEC_VNNI 1
#include "avx512.cc"
