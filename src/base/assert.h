// Assertions for broken beliefs about our own code. They stay on in release builds: a broker that
// has lost track of its own state must stop before it acknowledges anything else.
// Bad input is never asserted; it is refused with an Error (base/result.h).
#pragma once

namespace trv {

[[noreturn]] void assert_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace trv

#define TRV_ASSERT(condition) \
  (static_cast<bool>(condition) ? (void)0 : ::trv::assert_failed(#condition, __FILE__, __LINE__))

// For hot loops: checked in debug and sanitizer builds only.
#ifdef NDEBUG
#define TRV_DCHECK(condition) ((void)0)
#else
#define TRV_DCHECK(condition) TRV_ASSERT(condition)
#endif
