// `--jail[=UID:GID]`. Main thread.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "jailer/namespaces.hpp"

struct Jail {
    std::optional<JailIds> ids{};
};

// "" or "UID:GID". Errors: of --jail, with `text`.
Result<Jail> parse_jail(const char* text);
