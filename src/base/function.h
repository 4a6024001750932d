// UniqueFunction: a move-only callable, for completions that own what they complete with.
// (std::move_only_function is C++23.)
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/assert.h"

namespace trv {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}

  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...>) UniqueFunction(F&& f)
      : body_(std::make_unique<Body<std::decay_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return body_ != nullptr; }

  // Requires: holds a callable.
  R operator()(Args... args) {
    TRV_DCHECK(body_);
    return body_->call(std::forward<Args>(args)...);
  }

 private:
  struct Callable {
    virtual ~Callable() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Body final : Callable {
    template <class G>
    explicit Body(G&& g) : f(std::forward<G>(g)) {}
    R call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };

  std::unique_ptr<Callable> body_;
};

}  // namespace trv
