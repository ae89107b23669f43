// SPDX-License-Identifier: Apache-2.0
//
// What async.hpp is made of: an operation of Asio around a detail::Pending. Not for use by itself.
#pragma once

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "dcache/get_or_set.hpp"
#include "dcache/pending.hpp"

#if defined(ASIO_HAS_CO_AWAIT)
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#endif

namespace dcache::detail {

class AnyOperation : public std::enable_shared_from_this<AnyOperation> {
 public:
  AnyOperation() = default;
  AnyOperation(const AnyOperation&) = delete;
  AnyOperation& operator=(const AnyOperation&) = delete;
  virtual ~AnyOperation() = default;
  /// Destroys the handler, which will never be called.
  virtual void abandon() noexcept = 0;
};

/// The operations whose handlers want an execution context. They must not outlive it.
class Operations final : public asio::execution_context::service {
 public:
  using key_type = Operations;
  static inline asio::execution_context::id id;

  explicit Operations(asio::execution_context& context) : asio::execution_context::service(context) {}

  void add(const std::shared_ptr<AnyOperation>& operation) {
    const std::scoped_lock lock(mutex_);
    all_[operation.get()] = operation;
  }
  void remove(AnyOperation* operation) noexcept {
    const std::scoped_lock lock(mutex_);
    all_.erase(operation);
  }

 private:
  using All = std::map<AnyOperation*, std::weak_ptr<AnyOperation>>;

  void shutdown() noexcept override {
    All all;
    {
      const std::scoped_lock lock(mutex_);
      all.swap(all_);
    }
    for (const auto& one : all) {
      if (const std::shared_ptr<AnyOperation> operation = one.second.lock()) operation->abandon();
    }
  }

  std::mutex mutex_;
  All all_;
};

/// One call: what is waited for (`Work`, around a Pending) and whom it is for. It lives in what will go on
/// with it: the Pending or the executor.
template <class Handler, class Work>
class Operation final : public AnyOperation {
 public:
  using Executor = asio::associated_executor_t<Handler>;

  Operation(Handler handler, Work work)
      : work_(std::move(work)),
        executor_(asio::get_associated_executor(handler)),
        handler_(std::move(handler)),
        guard_(asio::make_work_guard(executor_)) {}
  ~Operation() override {
    if (operations_ != nullptr) operations_->remove(this);
  }

  void begin() {
    using Context = asio::execution::context_as_t<asio::execution_context&>;
    if constexpr (asio::can_query_v<const Executor&, Context>) {
      asio::execution_context& context = asio::query(executor_, Context());
      operations_ = &asio::use_service<Operations>(context);
      operations_->add(shared_from_this());
    }
    if constexpr (Work::kCancellable) {
      if (auto slot = asio::get_associated_cancellation_slot(*handler_); slot.is_connected()) {
        slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
          const auto self = std::static_pointer_cast<Operation>(weak.lock());
          if (self != nullptr && type != asio::cancellation_type::none) self->work_.cancel(type);
        });
      }
    }
    go_on();
  }

  /// Starts the work, or starts it anew.
  void go_on() {
    if (work_.pending.start([self = self()] { self->post(); })) post();
  }

  /// On the executor: the end, with the handler's arguments.
  template <class... Results>
  void complete(Results&&... results) {
    std::optional<Handler> handler = take_handler();
    if (!handler) return;
    if (operations_ != nullptr) std::exchange(operations_, nullptr)->remove(this);
    if constexpr (Work::kCancellable) {
      if (auto slot = asio::get_associated_cancellation_slot(*handler); slot.is_connected()) slot.clear();
    }
    guard_.reset();
    (*std::move(handler))(std::forward<Results>(results)...);
  }

  void abandon() noexcept override {
    operations_ = nullptr;
    work_.pending.drop();
    guard_.reset();
    static_cast<void>(take_handler());
  }

  [[nodiscard]] std::shared_ptr<Operation> self() {
    return std::static_pointer_cast<Operation>(shared_from_this());
  }
  [[nodiscard]] const Executor& executor() const noexcept { return executor_; }
  [[nodiscard]] Work& work() noexcept { return work_; }

 private:
  /// For whoever comes first.
  std::optional<Handler> take_handler() {
    std::optional<Handler> taken;
    const std::scoped_lock lock(mutex_);
    if (handler_) taken.emplace(std::move(*handler_));
    handler_.reset();
    return taken;
  }

  /// From any thread; with the mutex, so that the context is not destroyed meanwhile.
  void post() {
    const std::scoped_lock lock(mutex_);
    if (handler_) asio::post(executor_, [self = self()] { self->work_.finish(*self); });
  }

  Work work_;
  const Executor executor_;
  std::mutex mutex_;
  std::optional<Handler> handler_;
  asio::executor_work_guard<Executor> guard_;
  Operations* operations_ = nullptr;
};

/// What `take` says; an error instead.
inline Pending::Taken take(Pending& pending, std::exception_ptr& error) {
  try {
    return pending.take();
  } catch (...) {
    error = std::current_exception();
    return Pending::Taken::no;
  }
}

enum class Tells { error_only, whether };

template <Tells tells, bool cancellable>
struct OnLock {
  static constexpr bool kCancellable = cancellable;
  Pending pending;

  void cancel(asio::cancellation_type /*type*/) noexcept { pending.cancel(); }
  template <class Op>
  void finish(Op& operation) {
    std::exception_ptr error;
    const Pending::Taken taken = take(pending, error);
    if (taken == Pending::Taken::again) return operation.go_on();
    if constexpr (tells == Tells::whether) {
      operation.complete(error, taken == Pending::Taken::yes);
    } else {
      operation.complete(error);
    }
  }
};
using Locking = OnLock<Tells::error_only, true>;
using Trying = OnLock<Tells::whether, true>;
using Unlocking = OnLock<Tells::error_only, false>;

/// What a factory makes: what it returns, or what that is awaited for.
template <class T>
struct Made {
  using Type = T;
  static constexpr bool kAwaited = false;
};
#if defined(ASIO_HAS_CO_AWAIT)
template <class T, class Executor>
struct Made<asio::awaitable<T, Executor>> {
  using Type = T;
  static constexpr bool kAwaited = true;
};
#endif

template <class Factory>
struct Valuing {
  using Returned = Made<std::remove_cvref_t<std::invoke_result_t<Factory&>>>;
  using Value = typename Returned::Type;
  using Traits = Making<Value>;
  using Result = typename Traits::Result;
  static constexpr bool kCancellable = true;

  PendingValue pending;
  std::string key;
  Factory factory;
  std::shared_ptr<asio::cancellation_signal> computing = {};

  void cancel(asio::cancellation_type type) {
    pending.cancel();
    if (computing != nullptr) computing->emit(type);
  }

  template <class Op>
  void finish(Op& operation) {
    std::exception_ptr error;
    const Pending::Taken taken = take(pending, error);
    if (taken == Pending::Taken::again) return operation.go_on();
    if (error) return operation.complete(error, Result());
    if (taken == Pending::Taken::yes) return deliver(operation, [&] { return pending.found(); });
    if constexpr (Returned::kAwaited) {
      spawn(operation);
    } else {
      deliver(operation, [&] { return pending.compute([&] { return encoded(std::invoke(factory)); }); });
    }
  }

 private:
  static std::optional<Encoded> encoded(Value&& made) {
    if constexpr (std::is_same_v<typename Traits::Type, Value>) {
      return encode(std::move(made));
    } else {
      if (!made) return std::nullopt;
      return encode(*std::move(made));
    }
  }

  template <class Op, class F>
  void deliver(Op& operation, F&& get) {
    std::exception_ptr error;
    Result result{};
    try {
      // Only an optional of the factory's can have been empty.
      if (std::optional<std::string> bytes = get()) {
        result = decode<typename Traits::Type>(key, *std::move(bytes));
      }
    } catch (...) {
      error = std::current_exception();
    }
    operation.complete(error, std::move(result));
  }

#if defined(ASIO_HAS_CO_AWAIT)
  template <class Op>
  void spawn(Op& operation) {
    pending.compute_elsewhere();
    computing = std::make_shared<asio::cancellation_signal>();
    const auto done = [self = operation.self()](std::exception_ptr failed, Value made) {
      self->work().deliver(*self, [&] {
        auto stored = self->work().pending.computed(failed ? std::nullopt : encoded(std::move(made)));
        if (failed) std::rethrow_exception(failed);
        return stored;
      });
    };
    try {
      asio::co_spawn(operation.executor(), std::invoke(factory),
                     asio::bind_cancellation_slot(computing->slot(), done));
    } catch (...) {
      static_cast<void>(pending.computed(std::nullopt));
      operation.complete(std::current_exception(), Result());
    }
  }
#endif
};

/// `make` makes the work, on the initiating thread.
template <class Work, class Signature, class Token, class Make>
auto initiate(std::remove_reference_t<Token>& token, Make make) {
  return asio::async_initiate<Token, Signature>(
      [](auto&& handler, Make made) {
        using Handler = std::decay_t<decltype(handler)>;
        std::make_shared<Operation<Handler, Work>>(std::forward<decltype(handler)>(handler), made())->begin();
      },
      token, std::move(make));
}

}  // namespace dcache::detail
