// The C interface as it is (pyengine/c_api.h): names, order and types of structs and functions. A test
// compares sizes and offsets with C's.
using System;
using System.Runtime.InteropServices;

namespace PyEngine {

internal static class Native {
  private const string Library = "pyengine";

  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  internal delegate int pye_progress(IntPtr user, long tiles_done, long tiles_total);
  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  internal delegate int pye_cancelled(IntPtr user);
  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  internal delegate void pye_done(IntPtr user, ref pye_result result);
  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  internal delegate int pye_stack_progress(IntPtr user, ref pye_result result, long done);

  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  internal delegate void pye_log(IntPtr user, int level, IntPtr message);
  [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
  internal delegate void pye_visit(IntPtr user, ref pye_contour contour);

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_band {
    public long row_begin;
    public long row_end;
    public long first_row;
    public long rows;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_contour {
    public UIntPtr size;
    public IntPtr points;
    public long count;
    public int hole;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_thread_options {
    public UIntPtr size;
    public IntPtr name;
    public IntPtr cores;
    public long core_count;
    public int policy;
    public int priority;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_engine_options {
    public UIntPtr size;
    public int threads;
    public IntPtr isa;
    public int accuracy;
    public int pin_threads;
    public IntPtr device;
    public int on_mismatch;
    public IntPtr library_folders;
    public long library_folder_count;
    public IntPtr thread;
    public IntPtr share_threads;
    public IntPtr run_tasks;
    public IntPtr run_tasks_user;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_engine_info {
    public UIntPtr size;
    public long channels;
    public long classes;
    public long label_count;
    public long halo_px;
    public long alignment_px;
    public long parameters;
    public double flops_per_pixel;
    public int threads;
    public int tileable;
    public long before_px;
    public long after_px;
    public long margin_px;
    public long size_residue_px;
    public long receptive_field_px;
    public long sample_height_px;
    public long sample_width_px;
    public long layer_count;
    public int dense;
    public int input_type;
    public IntPtr input_gain;
    public IntPtr input_offset;
    public IntPtr task;
    public IntPtr activation;
    public IntPtr not_tileable_reason;
    public IntPtr device;
    public IntPtr gpu;
    public IntPtr why_not_gpu;
    public IntPtr isa;
    public IntPtr manifest_json;
    public IntPtr graph_json;
    public long fixed_height_px;
    public long fixed_width_px;
    public long result_count;
    public int more_preprocessing;
    public int preprocessing_needs_image;
    public long sample_depth_px;
    public int volume;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal unsafe struct pye_class_info {
    public UIntPtr size;
    public IntPtr name;
    public fixed byte color[3];
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_memory {
    public UIntPtr size;
    public long weights_bytes;
    public long in_use_bytes;
    public long idle_bytes;
    public long streams_bytes;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_image {
    public IntPtr data;
    public int type;
    public long height;
    public long width;
    public long channels;
    public long row_stride_bytes;
    public long pixel_stride_bytes;
    public long channel_stride_bytes;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_segment_options {
    public UIntPtr size;
    public long tile_height_px;
    public long tile_width_px;
    public int batch_size;
    public long max_memory_bytes;
    public int mode;
    public double overlap;
    public IntPtr progress;
    public IntPtr user;
    public int one_thread;
    public int augmentation;
    public int padding;
    public IntPtr cancelled;
    public long region_top_px;
    public long region_left_px;
    public long region_height_px;
    public long region_width_px;
    public double source_scale;
    public double source_offset;
    public IntPtr scheduler;
    public int priority;
    public int check_finite;
    public long tile_depth_px;
    public int every_tile;
    public IntPtr foreground;
    public UIntPtr foreground_count;
    public long foreground_cell_px;
    public IntPtr report;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_range {
    public UIntPtr size;
    public double lowest;
    public double highest;
    public double expected_lowest;
    public double expected_highest;
    public double advised_scale;
    public int mismatch;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_frame {
    public UIntPtr size;
    public pye_image image;
    public long slices;
    public long slice_stride_bytes;
    public IntPtr result;
    public long deadline_ns;
    public IntPtr user;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_submission {
    public UIntPtr size;
    public long number;
    public long replaced_number;
    public IntPtr replaced_user;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_result {
    public UIntPtr size;
    public long number;
    public IntPtr user;
    public int status;
    public int error;
    public IntPtr message;
    public long submit_ns;
    public long begin_ns;
    public long end_ns;
    public long deadline_ns;
    public int output;
    public IntPtr data;
    public long slices;
    public long classes;
    public long height;
    public long width;
    public pye_image image;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_stream_options {
    public UIntPtr size;
    public long height;
    public long width;
    public long slices;
    public int type;
    public int policy;
    public int copy;
    public long queue;
    public long results;
    public int output;
    public long deadline_ns;
    public int late;
    public IntPtr done;
    public IntPtr progress;
    public IntPtr user;
    public IntPtr segment;
    public long statistics;
    public IntPtr thread;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_durations {
    public long p50_ns;
    public long p90_ns;
    public long p99_ns;
    public long max_ns;
  }

  [StructLayout(LayoutKind.Sequential)]
  internal struct pye_stream_stats {
    public UIntPtr size;
    public long submitted;
    public long done;
    public long late;
    public long replaced;
    public long expired;
    public long cancelled;
    public long failed;
    public long refused;
    public long pending;
    public long lost;
    public long results;
    public pye_durations age;
    public pye_durations compute;
    public long memory_bytes;
  }

  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern void pye_engine_options_init(ref pye_engine_options options, UIntPtr size);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_open(
      byte[] path, ref pye_engine_options options, out EngineHandle engine);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_engine_open_memory(
      byte* data, UIntPtr bytes, ref pye_engine_options options, out EngineHandle engine);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_close(IntPtr engine);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_describe(EngineHandle engine, ref pye_engine_info info);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_class(
      EngineHandle engine, long index, ref pye_class_info info);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_memory(EngineHandle engine, ref pye_memory memory);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_trim(EngineHandle engine);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern void pye_segment_options_init(
      ref pye_segment_options options, UIntPtr size);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_prepare(
      EngineHandle engine, long height, long width, ref pye_segment_options options);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_engine_check_range(
      EngineHandle engine, ref pye_image image, ref pye_segment_options options, ref pye_range
      range);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_segment_labels(
      EngineHandle engine, ref pye_image image, byte* labels, long row_stride_bytes, ref
      pye_segment_options options);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_segment_scores(
      EngineHandle engine, ref pye_image image, int kind, float* scores, ref pye_segment_options
      options);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_engine_classify(
      EngineHandle engine, ref pye_image image, float* probabilities, out long index);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_band_rows(
      EngineHandle engine, long height, long width, ref pye_segment_options options, ref pye_band
      band);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_segment_band(
      EngineHandle engine, ref pye_image image, ref pye_band band, int kind, void* result, ref
      pye_segment_options options);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_scheduler_open(out SchedulerHandle scheduler);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern void pye_scheduler_close(IntPtr scheduler);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_set_log(pye_log log, IntPtr user, int level);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_labels_to_runs(
      byte* labels, long height, long width, long row_stride_bytes, Run* runs, long room, out long
      count);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_runs_to_labels(
      Run* runs, long count, long height, long width, long row_stride_bytes, byte* labels);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_labels_to_contours(
      byte* labels, long height, long width, long row_stride_bytes, int label, pye_visit visit,
      IntPtr user);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_labels_to_boundaries(
      byte* labels, long height, long width, long row_stride_bytes, int label, float* upper,
      float* lower);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern unsafe Status pye_scores_to_boundaries(
      float* probabilities, long classes, long height, long width, int label, float* upper,
      float* lower);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern void pye_stream_options_init(ref pye_stream_options options, UIntPtr size);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern void pye_frame_init(ref pye_frame frame, UIntPtr size);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_open(
      EngineHandle engine, ref pye_stream_options options, out StreamHandle stream);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_submit(
      StreamHandle stream, ref pye_frame frame, ref pye_submission submission);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_cancel(StreamHandle stream, long number);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_flush(StreamHandle stream, long timeout_ns);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_stop(StreamHandle stream, int ending);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_close(IntPtr stream, int ending);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern Status pye_stream_statistics(
      StreamHandle stream, ref pye_stream_stats stats);
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern long pye_now_ns();
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern IntPtr pye_last_error();
  [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
  internal static extern IntPtr pye_version();
}
}
