// mutant: bugs planted on purpose, to prove that the tests find them (tests/mutants).
//
//   if (!TRV_MUTANT(skip_fdatasync)) sync();
//
// TRV_MUTANT(name) is the constant false, and no code, in every build but the type `mutants`. There
// it is true when the environment variable TRIVIUM_MUTANT says this name, which each place looks up
// once. A mutant is one line where a rule is kept, breaks that rule alone, and has a row in
// tests/mutants/mutants.toml that names the tests which must fail.
//
// For sources only, not for headers: of a module, only the files that name a mutant are compiled
// with TRV_MUTANTS (cmake/module.cmake).
#pragma once

#ifdef TRV_MUTANTS

namespace trv {

// Whether the process runs with this bug; says so on standard error when it does.
bool mutant_chosen(const char* name) noexcept;

}  // namespace trv

#define TRV_MUTANT(name)                                                  \
  ([]() noexcept {                                                        \
    static const bool trv_mutant_is_chosen = ::trv::mutant_chosen(#name); \
    return trv_mutant_is_chosen;                                          \
  }())

#else

#define TRV_MUTANT(name) false

#endif
