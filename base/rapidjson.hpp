// RapidJSON, set up for what ships: its asserts are about how it is used, and what a client sends
// reaches none of them.
#pragma once

#define RAPIDJSON_HAS_STDSTRING 0
#define RAPIDJSON_ASSERT(condition) ((condition) ? void() : __builtin_trap())
#define RAPIDJSON_NOEXCEPT_ASSERT(condition) RAPIDJSON_ASSERT(condition)

// Its stack begins without memory, and asks whether a null pointer and a few bytes is beyond the
// end. That is no matter to us, but to the sanitizers.
#include <rapidjson/allocators.h>
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("pointer-overflow"))), apply_to = function)
#endif
#include <rapidjson/internal/stack.h>
#ifdef __clang__
#pragma clang attribute pop
#endif

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
