#include "monitor/process/tenancy.hpp"

#include <sys/prctl.h>

#include <string_view>

namespace {

Result<ImagePages> parse_pages(const Options& options, ImagePages by_default) {
    constexpr const char* kFlag = "--kernel-pages";
    const char* const text = options.get(kFlag);
    if (text == nullptr) return by_default;
    const std::string_view word = text;
    if (word == "own") return ImagePages::kOwn;
    if (word == "shared") return ImagePages::kShared;
    return Error{kFlag, 0, "is neither own nor shared"}.about(text);
}

Result<Measure> parse_measure(const Options& options, const char* flag, Measure by_default) {
    const char* const text = options.get(flag);
    if (text == nullptr) return by_default;
    const std::string_view word = text;
    if (word == "on") return Measure::kDemanded;
    if (word == "off") return Measure::kNone;
    return Error{flag, 0, "is neither on nor off"}.about(text);
}

}  // namespace

bool is_for_a_jail(const std::optional<Jail>& jail) {
    return jail.has_value() || ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

Result<Tenancy> parse_tenancy(const Options& options, const std::optional<Jail>& jail) {
    const bool is_jailed = is_for_a_jail(jail);
    const Measure measure = is_jailed ? Measure::kWherePossible : Measure::kNone;
    return Tenancy{
        .pages = TRY(parse_pages(options, is_jailed ? ImagePages::kOwn : ImagePages::kShared)),
        .core_scheduling = TRY(parse_measure(options, "--core-scheduling", measure)),
        .ssbd = TRY(parse_measure(options, "--ssbd", measure))};
}

Result<> keep_apart(const Tenancy& tenancy) {
    if (tenancy.pages == ImagePages::kOwn) keep_pages_apart();
    return keep_cores_apart(tenancy.core_scheduling);
}
