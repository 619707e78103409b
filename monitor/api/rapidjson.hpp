// RapidJSON, set up for what ships: its asserts are about how it is used, and what a client sends
// reaches none of them.
#pragma once

#define RAPIDJSON_HAS_STDSTRING 0
#define RAPIDJSON_ASSERT(condition) ((condition) ? void() : __builtin_trap())
#define RAPIDJSON_NOEXCEPT_ASSERT(condition) RAPIDJSON_ASSERT(condition)

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
