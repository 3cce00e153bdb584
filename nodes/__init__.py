"""The extension: one line for each node id. Ids, input names and the order of widgets never change."""

from .guidance.builtin import A124BuiltInPriors
from .guidance.diffusers import A124DiffusersGuidance
from .guidance.dreambooth import A124DreamBooth
from .guidance.model import A124ModelGuidance
from .guidance.modelscope_loader import A124ModelScopeLoader
from .guidance.prior_check import A124PriorCheck
from .guidance.text_models import A124ImageGuidance, A124RefineGuidance, A124UpscaleGuidance, A124VideoGuidance
from .guidance.textual_inversion import A124TextualInversion
from .guidance.video_clip import A124ClipGuidance
from .guidance.view import A124ViewGuidance
from .optimize.field_config import A124FieldConfig
from .optimize.stages import A124CoarseOptimizer, A124FineOptimizer, A124StaticOptimizer
from .reference import A124ExamplePicture, A124Reference
from .result.cameras import A124Cameras
from .result.evaluate import A124Evaluate
from .result.export_frames import A124ExportFrames
from .result.export_mesh import A124ExportMesh
from .result.field_io import A124LoadField, A124SaveField
from .result.render import A124Render
from .result.to_model import A124FieldToMesh, A124FieldToSplat
from .result.viewer import A124ExportViewer, A124Preview4D

NODES = {
    "A124ExamplePicture": (A124ExamplePicture, "Animate124: 0 Example picture"),
    "A124Reference": (A124Reference, "Animate124: 1 Picture"),
    "A124BuiltInPriors": (A124BuiltInPriors, "Animate124: 2 Built-in priors (no download)"),
    "A124ClipGuidance": (A124ClipGuidance, "Animate124: 2 Clip as video guidance"),
    "A124ModelGuidance": (A124ModelGuidance, "Animate124: 2 3D model as guidance"),
    "A124ImageGuidance": (A124ImageGuidance, "Animate124: 2 Image guidance (any MODEL)"),
    "A124ViewGuidance": (A124ViewGuidance, "Animate124: 2 View guidance (Zero123)"),
    "A124VideoGuidance": (A124VideoGuidance, "Animate124: 2 Video guidance (any video MODEL)"),
    "A124RefineGuidance": (A124RefineGuidance, "Animate124: 2 Refine guidance (any MODEL)"),
    "A124UpscaleGuidance": (A124UpscaleGuidance, "Animate124: 2 Upscale guidance (SD x4 upscaler)"),
    "A124DiffusersGuidance": (A124DiffusersGuidance, "Animate124: 2 Diffusers guidance (folders)"),
    "A124ModelScopeLoader": (A124ModelScopeLoader, "Animate124: 2 ModelScope loader (video model)"),
    "A124TextualInversion": (A124TextualInversion, "Animate124: 2 Textual inversion (a word for your subject)"),
    "A124DreamBooth": (A124DreamBooth, "Animate124: 2 DreamBooth (a LoRA of your subject)"),
    "A124PriorCheck": (A124PriorCheck, "Animate124: 2 Prior check"),
    "A124FieldConfig": (A124FieldConfig, "Animate124: 3 Field config"),
    "A124StaticOptimizer": (A124StaticOptimizer, "Animate124: 3 Static: shape"),
    "A124CoarseOptimizer": (A124CoarseOptimizer, "Animate124: 4 Coarse: motion"),
    "A124FineOptimizer": (A124FineOptimizer, "Animate124: 5 Fine: detail"),
    "A124Cameras": (A124Cameras, "Animate124: 6 Cameras"),
    "A124Render": (A124Render, "Animate124: 6 Render"),
    "A124Evaluate": (A124Evaluate, "Animate124: 6 Evaluate"),
    "A124ExportFrames": (A124ExportFrames, "Animate124: 7 Export video or frames"),
    "A124Preview4D": (A124Preview4D, "Animate124: 6 Preview 4D"),
    "A124ExportViewer": (A124ExportViewer, "Animate124: 7 Export viewer (one HTML file)"),
    "A124ExportMesh": (A124ExportMesh, "Animate124: 7 Export mesh"),
    "A124FieldToSplat": (A124FieldToSplat, "Animate124: 7 Field to splat"),
    "A124FieldToMesh": (A124FieldToMesh, "Animate124: 7 Field to mesh"),
    "A124SaveField": (A124SaveField, "Animate124: 7 Save field"),
    "A124LoadField": (A124LoadField, "Animate124: 7 Load field"),
}

NODE_CLASS_MAPPINGS = {name: node for name, (node, _) in NODES.items()}
NODE_DISPLAY_NAME_MAPPINGS = {name: title for name, (_, title) in NODES.items()}
