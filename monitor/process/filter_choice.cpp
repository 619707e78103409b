#include "monitor/process/filter_choice.hpp"

#include "base/log.hpp"

Result<> validate(const FilterChoice& choice) {
    if (choice.path != nullptr && choice.seccomp == Seccomp::kNone)
        return Error{"--seccomp-filter", 0, "and --no-seccomp exclude each other"};
    return Ok{};
}

Result<Filters> choose_filters(const FilterChoice& choice) {
    if (choice.seccomp == Seccomp::kNone) {
        LOG_WARNING(
            "--no-seccomp: no system call is filtered; a guest that breaks out owns this user");
        return Filters::none();
    }
    if (choice.path == nullptr) return Filters::embedded();
    auto filters = Filters::load(choice.path);
    if (!filters.ok()) return filters.error().about(choice.path);
    return filters;
}
