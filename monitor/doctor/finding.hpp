// What one check of `mayfly doctor` has found. Main thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

enum class Verdict : uint8_t {
    kOk,
    kWarn,  // VMs start; a feature is not there, or the host is not as docs/production-host.md says
    kFail,  // no VM starts
    kSkip,  // this user cannot look, or there is nothing to look at
};

struct Finding {
    Verdict verdict = Verdict::kOk;
    std::string found{};
    std::string remedy{};  // what to do; empty where there is nothing to be done
};

Finding fine(std::string_view found);
Finding warning(std::string_view found, std::string_view remedy);
Finding failure(std::string_view found, std::string_view remedy);
Finding skipped(std::string_view found, std::string_view remedy = {});
