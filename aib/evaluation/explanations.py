"""Maps computed from a trained network for a prediction: the alternatives to a learned one."""

from collections.abc import Callable

from torch import Tensor, nn

Logits = Callable[[Tensor], Tensor]
Explanation = Callable[[Tensor, Tensor], Tensor]  # images (N, 3, H, W), classes (N,) to (N, h, w)
STEPS = 16  # of the path that gradients are integrated over


def grad_cam(logits: Logits, layer: nn.Module) -> Explanation:
    """Grad-CAM (Selvaraju 2017) at what a layer gives."""
    from captum.attr import LayerGradCam  # a second that most evaluations need not wait

    method = LayerGradCam(logits, layer)
    return lambda images, classes: method.attribute(images, classes, relu_attributions=True)[:, 0]


def integrated_gradients(logits: Logits) -> Explanation:
    """Integrated gradients (Sundararajan 2017) from an image of zeros, the mean of the data."""
    from captum.attr import IntegratedGradients

    method = IntegratedGradients(logits)

    def explain(images: Tensor, classes: Tensor) -> Tensor:
        return method.attribute(images, 0.0, classes, n_steps=STEPS).abs().sum(dim=1)

    return explain
