"""Faces: their landmarks, the detectors that find them, and the square of FFHQ around each.

To add a detector, subclass ``detector.FaceDetector`` and register it with ``detector.DETECTORS``; an installed package
does so through the entry-point group ``dgp.face_detectors``.
"""
