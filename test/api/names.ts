// Which name of PyTorch and NumPy is which here: whole published lists, a line a name. Whether ours is there is asked of the exports
// (names-page.ts), so a line may name what is still to come; what nobody is to write has none.
//
//   their name, then ours ("~" before it: only a part of what theirs does), then a remark
//   "concat/cat" is NumPy's and PyTorch's; "-" is a name that is missing; "+" joins several of ours that do it together

/** A published list of names. */
export interface NameList {
  readonly title: string;
  /** Where the list is from, and what was left out of it. */
  readonly from: string;
  readonly rows: string;
}

export const lists: readonly NameList[] = [
  {
    title: "What small programs call",
    from:
      "every function, method, layer and optimiser that computes or keeps something in five public programs: nanoGPT (model.py, train.py), minGPT " +
      "(model.py), OpenAI's CLIP (model.py), vit-pytorch (vit.py) and PyTorch's MNIST example (main.py). Devices, data sets, containers of " +
      "modules and mixed precision are left out.",
    rows: `
      torch.ones                        ones
      torch.zeros                       zeros
      torch.empty                       zeros                      there is no memory without contents
      torch.arange                      arange
      torch.randn                       randn
      torch.randint                     randint
      torch.from_numpy                  tensor                     a typed array or an array of numbers
      torch.tril                        tril
      torch.triu                        triu
      torch.manual_seed                 Init                       seeds are arguments: Init, dropout, rand and randn take one
      torch.cat                         concat
      torch.stack                       stack
      torch.split                       split
      torch.chunk                       chunk
      torch.reshape, view, view_as      Tensor.reshape             a view: free
      torch.flatten                     Tensor.reshape             reshape([n, -1])
      Tensor.contiguous                 Tensor.reshape             not needed: every tensor is row-major
      Tensor.permute                    permute
      Tensor.transpose                  transpose                  the last two axes, or permute
      Tensor.t                          transpose
      x[:, a:b], x[:, -1]               slice                      and first for position 0
      x[rows, columns]                  gather
      Tensor.expand, einops.repeat      expandTo
      torch.matmul, @                   matmul
      + - * /                           add+sub+mul+div
      torch.pow, **                     pow
      torch.exp                         exp
      torch.relu, F.relu, nn.ReLU       relu
      torch.sigmoid                     sigmoid
      nn.GELU                           gelu                       geluTanh is approximate="tanh"
      Tensor.masked_fill                where
      Tensor.eq, ==                     eq
      Tensor.norm                       norm
      Tensor.sum                        sum
      Tensor.mean                       mean
      Tensor.max                        amax                       values; argmax for where they are
      Tensor.argmax                     argmax
      torch.topk                        -
      torch.multinomial                 -                          on the host, from probabilities that were read
      F.softmax, nn.Softmax             softmax                    over the last axis, or any
      F.log_softmax                     logSoftmax                 over the last axis, or any
      F.layer_norm, nn.LayerNorm        layernorm                  LayerNorm of model is the module
      nn.BatchNorm2d                    -
      F.scaled_dot_product_attention    scaledDotProductAttention
      nn.MultiheadAttention             Attention                  of model: PyTorch's packed parameters
      nn.Linear                         linear                     weights [out, in] as there
      nn.Embedding                      embedding
      nn.Conv2d                         conv2d
      F.max_pool2d                      -
      nn.AvgPool2d                      -
      nn.Dropout                        dropout
      F.cross_entropy                   crossEntropy
      F.nll_loss                        nllLoss
      nn.Parameter                      parameter                  or declare and allocateGroup, for many
      nn.init.normal_                   initNormal                 Init of model for whole modules
      nn.init.zeros_, ones_             fill                       Init.constant of model
      Tensor.fill_                      full
      Tensor.copy_                      assign
      Tensor.to(dtype), half            cast
      loss.backward                     Tape.gradients
      torch.no_grad                     Scope                      a scope remembers nothing; a Tape does
      optimizer.zero_grad               Tape.gradients             not needed: each walk writes gradients anew
      nn.utils.clip_grad_norm_          clipFactor                 optimisers of train take clip
      optim.AdamW                       AdamW
      optim.Adadelta                    -
      lr_scheduler.StepLR               schedule.step
      lr_scheduler.step                 learningRate               schedules are functions of the step
      named_parameters, state_dict      named
      load_state_dict                   load
      torch.save                        save
      torch.load                        load                       openWeights reads PyTorch's own files
      Tensor.item                       Tensor.item
      Tensor.numpy, tolist              Tensor.data
    `,
  },
  {
    title: "torch.nn.functional",
    from: "the whole index of torch.nn.functional in PyTorch's documentation (2.9), in its order, without forms in place and data_parallel.",
    rows: `
      conv1d                            ~conv1d                    depth-wise with three weights, unpadded
      conv2d                            conv2d
      conv3d                            -
      conv_transpose1d                  -
      conv_transpose2d                  -
      conv_transpose3d                  -
      unfold                            ~patchEmbed                patches that do not overlap, with their product
      fold                              -
      avg_pool1d                        -
      avg_pool2d                        -
      avg_pool3d                        -
      max_pool1d                        -
      max_pool2d                        -
      max_pool3d                        -
      max_unpool1d                      -
      max_unpool2d                      -
      max_unpool3d                      -
      lp_pool1d                         -
      lp_pool2d                         -
      lp_pool3d                         -
      adaptive_max_pool1d               -
      adaptive_max_pool2d               -
      adaptive_max_pool3d               -
      adaptive_avg_pool1d               ~mean                      to length 1
      adaptive_avg_pool2d               ~mean                      to 1 x 1
      adaptive_avg_pool3d               ~mean                      to 1 x 1 x 1
      fractional_max_pool2d             -
      fractional_max_pool3d             -
      scaled_dot_product_attention      scaledDotProductAttention
      threshold                         -                          where(gt(x, t), x, value)
      relu                              relu
      hardtanh                          clamp
      hardswish                         -
      relu6                             clamp                      clamp(x, { low: 0, high: 6 })
      elu                               -                          where(gt(x, 0), x, scale(sub(exp(minimum(x, 0)), 1), { factor: alpha }))
      selu                              -
      celu                              -
      leaky_relu                        leakyRelu
      prelu                             -
      rrelu                             -
      glu                               -                          mul(a, sigmoid(b)) of split(x, …)
      gelu                              gelu                       geluTanh is approximate="tanh"
      logsigmoid                        -                          neg(softplus(neg(x)))
      hardshrink                        -
      tanhshrink                        -
      softsign                          -
      softplus                          softplus
      softmin                           -                          softmax(neg(x))
      softmax                           softmax                    over the last axis, or any
      softshrink                        -
      gumbel_softmax                    -
      log_softmax                       logSoftmax                 over the last axis, or any
      tanh                              tanh
      sigmoid                           sigmoid
      hardsigmoid                       -
      silu                              silu
      mish                              -                          mul(x, tanh(softplus(x)))
      batch_norm                        -
      group_norm                        groupnorm
      instance_norm                     -                          groupnorm with a group a channel
      layer_norm                        layernorm                  over the last axis
      local_response_norm               -
      rms_norm                          rmsnorm
      normalize                         ~normalize                 p = 2, over the last axis
      linear                            linear
      bilinear                          -
      dropout                           dropout
      alpha_dropout                     -
      feature_alpha_dropout             -
      dropout1d                         -
      dropout2d                         -
      dropout3d                         -
      embedding                         embedding
      embedding_bag                     -
      one_hot                           -                          eq of the ids [N, 1] and arange(C)
      pairwise_distance                 -
      cosine_similarity                 -                          sum(mul(normalize(a), normalize(b)), -1)
      pdist                             -
      binary_cross_entropy              bce
      binary_cross_entropy_with_logits  bceWithLogits
      poisson_nll_loss                  -
      cosine_embedding_loss             -
      cross_entropy                     crossEntropy
      ctc_loss                          -
      gaussian_nll_loss                 -
      hinge_embedding_loss              -
      kl_div                            -                          mean or sum of mul(target, sub(log(target), input))
      l1_loss                           l1Loss
      mse_loss                          mseLoss
      margin_ranking_loss               -
      multilabel_margin_loss            -
      multilabel_soft_margin_loss       -                          bceWithLogits
      multi_margin_loss                 -
      nll_loss                          nllLoss
      huber_loss                        huberLoss
      smooth_l1_loss                    smoothL1Loss
      soft_margin_loss                  -
      triplet_margin_loss               -
      triplet_margin_with_distance_loss  -
      pixel_shuffle                     -                          reshape and permute
      pixel_unshuffle                   -                          reshape and permute
      pad                               pad
      interpolate                       -                          pictures on the host: resize of data
      upsample                          -
      upsample_nearest                  -
      upsample_bilinear                 -
      grid_sample                       -
      affine_grid                       -
    `,
  },
  {
    title: "torch.optim",
    from: "the algorithms and the schedulers of torch.optim in PyTorch's documentation (2.9).",
    rows: `
      Adadelta                          -
      Adafactor                         -
      Adagrad                           -
      Adam                              Adam
      AdamW                             AdamW
      SparseAdam                        -
      Adamax                            -
      ASGD                              -
      LBFGS                             -
      Muon                              Muon
      NAdam                             -
      RAdam                             -
      RMSprop                           -
      Rprop                             -
      SGD                               SGD
      LambdaLR                          learningRate               a schedule is a function of the step: write your own
      MultiplicativeLR                  -
      StepLR                            schedule.step
      MultiStepLR                       -
      ConstantLR                        schedule.constant
      LinearLR                          schedule.linear
      ExponentialLR                     -
      PolynomialLR                      -
      CosineAnnealingLR                 schedule.cosine
      ChainedScheduler                  -
      SequentialLR                      -
      ReduceLROnPlateau                 -
      CyclicLR                          -
      OneCycleLR                        -
      CosineAnnealingWarmRestarts       -
    `,
  },
  {
    title: "NumPy and torch.*: the array API standard",
    from:
      "every function of the Python array API standard 2023.12 (NumPy 2 has them all under these names; where PyTorch's differs it follows the " +
      "slash), in its order, without inspection, data types and exchange of memory.",
    rows: `
      arange                            arange
      asarray/as_tensor                 tensor
      empty                             zeros                      there is no memory without contents
      empty_like                        zerosLike                  there is no memory without contents
      eye                               eye
      full                              full
      full_like                         full                       full(x.shape, value)
      linspace                          linspace
      meshgrid                          -                          expandTo of reshaped ranges
      ones                              ones
      ones_like                         onesLike
      tril                              tril
      triu                              triu
      zeros                             zeros
      zeros_like                        zerosLike
      abs                               abs
      acos                              -
      acosh                             -
      add                               add
      asin                              -
      asinh                             -
      atan                              -
      atan2                             -
      atanh                             -
      bitwise_and                       bitwiseAnd
      bitwise_left_shift                bitwiseLeftShift
      bitwise_invert/bitwise_not        bitwiseNot
      bitwise_or                        bitwiseOr
      bitwise_right_shift               bitwiseRightShift
      bitwise_xor                       bitwiseXor
      ceil                              ceil
      clip/clamp                        clamp
      conj                              -                          there are no complex numbers
      copysign                          -
      cos                               cos
      cosh                              -
      divide/div                        div
      equal/eq                          eq
      exp                               exp
      expm1                             -
      floor                             floor
      floor_divide                      floorDivide
      greater/gt                        gt
      greater_equal/ge                  ge
      hypot                             -                          sqrt(add(square(a), square(b)))
      imag                              -                          there are no complex numbers
      isfinite                          -                          lt(abs(x), Infinity)
      isinf                             -                          eq(abs(x), Infinity)
      isnan                             -                          ne(x, x)
      less/lt                           lt
      less_equal/le                     le
      log                               log
      log1p                             -
      log2                              -                          scale(log(x), { factor: Math.LOG2E })
      log10                             -                          scale(log(x), { factor: Math.LOG10E })
      logaddexp                         -
      logical_and                       logicalAnd
      logical_not                       logicalNot
      logical_or                        logicalOr
      logical_xor                       -                          ne(logicalNot(a), logicalNot(b))
      maximum                           maximum
      minimum                           minimum
      multiply/mul                      mul
      negative/neg                      neg
      not_equal/ne                      ne
      positive                          copy
      pow                               ~pow                       x > 0, and an exponent that is a number
      real                              -                          there are no complex numbers
      remainder                         remainder
      round                             round
      sign                              sign
      signbit                           -
      sin                               sin
      sinh                              -
      square                            square
      sqrt                              sqrt
      subtract/sub                      sub
      tan                               -                          div(sin(x), cos(x))
      tanh                              tanh
      trunc                             -                          mul(sign(x), floor(abs(x)))
      take/index_select                 indexSelect
      matmul                            matmul
      matrix_transpose/mT               transpose
      tensordot                         -                          permute, reshape, matmul
      vecdot                            -                          sum(mul(a, b), -1)
      broadcast_arrays/broadcast_tensors  ~expandTo                 one at a time
      broadcast_to                      expandTo
      concat/cat                        concat
      expand_dims/unsqueeze             unsqueeze
      flip                              flip
      moveaxis                          permute
      permute_dims/permute              permute
      repeat/repeat_interleave          -
      reshape                           Tensor.reshape
      roll                              roll
      squeeze                           squeeze
      stack                             stack
      tile                              -                          concat of the same tensor
      unstack/unbind                    -                          split, then squeeze
      argmax                            argmax
      argmin                            argmin
      nonzero                           -                          its length depends on the numbers
      searchsorted                      -
      where                             where
      unique_all                        -                          its length depends on the numbers
      unique_counts                     -                          its length depends on the numbers
      unique_inverse                    -                          its length depends on the numbers
      unique_values                     -                          its length depends on the numbers
      argsort                           -
      sort                              -
      cumulative_sum/cumsum             cumsum
      max/amax                          amax
      mean                              mean
      min/amin                          amin
      prod                              prod
      std                               std
      sum                               sum
      var                               variance
      all                               -                          amin(logicalNot(logicalNot(x)))
      any                               -                          amax(logicalNot(logicalNot(x)))
    `,
  },
];
