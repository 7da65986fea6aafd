// The core computes without Python's lock.
#pragma once

#include <cxxabi.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <exception>

#include "core/cancellation.h"

namespace pyengine {

// Whether this is Python's main thread; needs the lock.
bool OnMainThread();
// Runs the handlers of signals that have come; throws what they raise. Never asks to cancel.
bool RaiseSignals();

// Calls `body` without the lock. Before Python 3.14, a thread that asks for the lock while the
// interpreter ends is ended by an exception through all its frames; pybind11's gil_scoped_release
// asks in its destructor, through which no exception may pass: a daemon thread at work would end
// the process by a signal. Here such a thread sleeps until the process is gone, as from 3.14 on.
//
// Ctrl-C ends a call within 100 ms: signals, which only the main thread receives, are looked at
// while the core computes.
template <class F>
void WithoutGil(F&& body) {
  const CancellationScope signals(OnMainThread() ? std::function<bool()>(RaiseSignals) : nullptr);
  PyThreadState* const state = PyEval_SaveThread();
  std::exception_ptr error;
  try {
    try {
      body();
    } catch (const abi::__forced_unwind&) {  // a callback of the body's asked for the lock
      throw;
    } catch (...) {
      error = std::current_exception();
    }
    PyEval_RestoreThread(state);
  } catch (const abi::__forced_unwind&) {
    for (;;) pause();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace pyengine
